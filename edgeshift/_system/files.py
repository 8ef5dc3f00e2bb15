"""Writing files and folders so that nothing half-written ever has the final name."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeshift.errors import EdgeshiftError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; rename it there when the block ends well, remove it when it does not.

    The rename also matters to readers: runtimes map files into memory, and a file changed under them crashes them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """The same for a folder: give an empty one beside ``path``, renamed there when the block ends well.

    A folder that has the name already is moved aside first and removed last: at no moment is there neither, but for the
    instant between two renames, and if the second one fails the first is undone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent))
    aside = temporary.with_name(f"{temporary.name}.old")
    try:
        yield temporary
        for inside in temporary.rglob("*"):
            inside.chmod((0o777 if inside.is_dir() else 0o666) & ~_umask())
        temporary.chmod(0o777 & ~_umask())
        if path.exists():
            path.rename(aside)
        temporary.rename(path)
    except BaseException:
        if aside.exists() and not path.exists():
            aside.rename(path)
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def folder_lock(folder: Path, name: str = ".lock") -> Iterator[None]:
    """Keep other processes that ask the same out of a folder while the block runs; a killed one frees it.

    Args:
        name: the file that is locked; it is made if it is not there, and stays.

    Raises:
        EdgeshiftError: another one is in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise EdgeshiftError(f"{folder}: another process is at work there: wait for it, or name another") from error
        yield


def sha256(data: bytes | memoryview) -> str:
    """The hash as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
