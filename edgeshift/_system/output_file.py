"""Check before the work that an output can be written, and keep other processes away from the file of long work."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgeshift._system.file_lock import HAS_LOCKS, lock
from edgeshift.errors import EdgeshiftError

#: Free space that a file of unknown size needs, bytes.
ROOM = 1 << 20


def require_writable(path: Path, room: int = ROOM, *, folder: bool = False) -> None:
    """Check that a file, or with ``folder`` the files in a folder, can be written. Nothing is created.

    A file without a name, which is removed at once, is written to the nearest folder that exists.

    Args:
        path: the file or folder, which need not exist.
        room: bytes that are needed on the disk.
        folder: True if the path is a folder.

    Raises:
        EdgeshiftError: a folder cannot be written, is a file, or its disk is full.
    """
    nearest = path.absolute()
    try:
        if not folder and not path.is_dir():
            nearest = nearest.parent
        while not nearest.exists() and nearest != nearest.parent:
            nearest = nearest.parent
        with tempfile.TemporaryFile(dir=nearest) as file:
            _require_room(file.fileno(), room, path)
    except OSError as error:
        is_file = os.path.isfile(nearest)  # noqa: PTH113 (Path.is_file raises for a name that is too long)
        reason = f"{nearest} is a file" if is_file else f"{nearest}: {error.strerror or error}"
        raise EdgeshiftError(f"{path}: cannot be written: {reason}; give another path") from error


@contextmanager
def reserve(path: Path | None, room: int = ROOM) -> Iterator[None]:
    """Reserve an output file while the block runs.

    A hidden file beside it, ``.NAME.lock``, carries the lock and is removed after the block. If the process is killed,
    the file stays there, but the lock is released and the next process takes it over.

    On Windows, nothing is locked: another process can write the file at the same time.

    Args:
        path: the output file, which may exist; its folder is created. None: there is no output file.
        room: bytes that are needed on the disk.

    Raises:
        EdgeshiftError: the file cannot be written, the disk is full, or another process has reserved the file.
    """
    if path is None:
        yield
        return
    require_writable(path, room)
    if path.is_dir():
        raise EdgeshiftError(f"{path}: cannot be written: it is a folder; give the name of a file")
    lock_file = path.with_name(f".{path.name}.lock")
    created = [folder for folder in path.parents if not folder.exists()]
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = _locked(lock_file) if HAS_LOCKS else None
        except BlockingIOError as error:
            raise EdgeshiftError(
                f"{path}: another process is writing this file: wait until it ends, or give another file"
            ) from error
        except (OSError, ValueError) as error:
            raise EdgeshiftError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from error
        try:
            yield
        finally:
            if handle is not None:
                lock_file.unlink(missing_ok=True)
                os.close(handle)
    finally:
        for folder in created:  # only folders that are still empty can be removed
            with suppress(OSError):
                folder.rmdir()


def _locked(path: Path) -> int:
    """Open the lock file and lock it. Raise BlockingIOError if another process holds the lock."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        try:
            try:
                lock(handle)
            except BlockingIOError:
                raise
            except OSError:  # some network file systems have no locks
                return handle
            # Its last owner may have removed the file between the two calls; then the lock is worth nothing.
            if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _require_room(handle: int, room: int, path: Path) -> None:
    """Write ``room`` bytes, because free space alone does not show quotas.

    Raises:
        EdgeshiftError: they cannot be written.
    """
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(handle, 0, room)
        else:
            os.write(handle, bytes(room))
    except OSError as error:
        raise EdgeshiftError(
            f"{path}: cannot be written: {error.strerror or error}; {room / 1e6:.0f} MB of free space are needed"
        ) from error
