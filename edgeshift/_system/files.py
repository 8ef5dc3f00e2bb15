"""Read files of users without a hang, and write files and folders atomically.

A path that is written atomically always holds the complete old content or the complete new content.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from edgeshift._system.file_lock import lock
from edgeshift.errors import EdgeshiftError

#: Number of hexadecimal digits of a hash.
HASH_LENGTH = 64


def read_file(path: Path, limit: int, error: type[EdgeshiftError] = EdgeshiftError) -> bytes:
    """Return the content of a regular file. Every file that a user names is read with this function.

    A named pipe would block for ever, and a device such as /dev/zero would fill the memory, so both are refused.

    Args:
        path: path of the file.
        limit: size of the largest file that is read, bytes.
        error: class of the error that is raised.

    Raises:
        EdgeshiftError: there is no such file, it is not a regular file, is too large, or cannot be read. It is an
            instance of ``error``, and its cause is the ``OSError``, if there was one.
    """
    try:
        with open_file(path) as file:
            data = file.read(limit + 1)
    except FileNotFoundError as missing:
        raise error(f"{path}: there is no such file") from missing
    except (OSError, ValueError) as problem:  # ValueError: a path with a null character
        reason = getattr(problem, "strerror", None) or problem
        raise error(f"{path}: cannot be read: {reason}") from problem
    if len(data) > limit:
        raise error(f"{path}: the file is larger than {limit:,} bytes, the limit for files of this kind")
    return data


def read_text(path: Path, limit: int, kind: str, error: type[EdgeshiftError] = EdgeshiftError) -> str:
    """Return the text of a regular file in UTF-8, without a byte order mark.

    Args:
        path, limit, error: as for ``read_file``.
        kind: what the file should be, for the error message, such as "a CSV file".

    Raises:
        EdgeshiftError: as for ``read_file``, or the file has another encoding.
    """
    try:
        return read_file(path, limit, error).decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise error(f"{path}: cannot be read as {kind}: it is not UTF-8 text; save it as UTF-8") from problem


def cache_folder() -> Path:
    """Return edgeshift's folder in the user's cache, an absolute path. It need not exist.

    Raises:
        RuntimeError: the user has no home folder.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "edgeshift").absolute()


def open_file(path: Path) -> BinaryIO:
    """Open a regular file to read bytes from it.

    Raises:
        OSError: the file cannot be opened, or is a folder, a named pipe or a device.
    """
    # Opening a named pipe would otherwise block until a process writes to it. Windows has no such flag.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    kind = os.fstat(handle).st_mode
    if not stat.S_ISREG(kind):
        os.close(handle)
        what = "it is a folder" if stat.S_ISDIR(kind) else "it is a pipe or a device, not a regular file"
        raise OSError(errno.EINVAL, what, str(path))
    return open(handle, "rb")  # noqa: PTH123


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, and rename it to ``path`` if the block succeeds. Otherwise remove it.

    The rename also protects readers. Runtimes map files into memory, and crash if a mapped file is overwritten.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    import tempfile  # loading an artifact must not wait for it

    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # write() on a full disk names no file
            error.filename = str(path)
        raise


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``path``, and rename it to ``path`` if the block succeeds.

    A folder that already has the name is moved aside first and removed last. ``path`` is missing only for the instant
    between the two renames, and if the second rename fails, the first one is undone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    import shutil
    import tempfile

    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent))
    aside = temporary.with_name(f"{temporary.name}.old")
    try:
        yield temporary
        for entry in temporary.rglob("*"):
            entry.chmod((0o777 if entry.is_dir() else 0o666) & ~_umask())
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
    """Hold a lock on a folder while the block runs. The lock is released if the process is killed.

    On Windows, nothing is locked: another process can use the folder at the same time.

    Args:
        folder: the folder, which is created if it does not exist.
        name: name of the lock file in the folder. It is created if it does not exist, and not removed.

    Raises:
        EdgeshiftError: another process holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("a") as file:
        try:
            lock(file.fileno())
        except OSError as error:
            raise EdgeshiftError(
                f"{folder}: another process is using this folder; wait for it, or give another folder"
            ) from error
        yield


def add_contents(digest: hashlib._Hash, path: Path) -> None:
    """Add the contents of a file to a hash, in parts, because a file may be larger than the memory."""
    with open_file(path) as file:
        while part := file.read(1 << 20):
            digest.update(part)


def sha256(data: bytes | memoryview) -> str:
    """Return the SHA-256 hash of the data as ``HASH_LENGTH`` hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
