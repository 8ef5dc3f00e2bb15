"""Reserve an output file before long work: check that it can be written, and keep other processes away from it."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgeshift.errors import EdgeshiftError

#: Free space that a file of unknown size needs, bytes.
ROOM = 1 << 20


@contextmanager
def reserve(path: Path | None, room: int = ROOM) -> Iterator[None]:
    """Reserve an output file while the block runs.

    A hidden file beside it, ``.NAME.lock``, carries the lock and is removed after the block. If the process is killed,
    the file stays there, but the lock is released and the next process takes it over.

    Args:
        path: the output file, which may exist; its folder is created. None: there is no output file.
        room: bytes that are needed on the disk.

    Raises:
        EdgeshiftError: the file cannot be written, the disk is full, or another process has reserved the file.
    """
    if path is None:
        yield
        return
    lock = path.with_name(f".{path.name}.lock")
    created: list[Path] = []
    try:
        try:
            if path.is_dir():
                raise EdgeshiftError(f"{path}: cannot be written: it is a folder; give the name of a file")
            created += [folder for folder in path.parents if not folder.exists()]
            if not next(folder for folder in path.absolute().parents if folder.exists()).is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "its folder is a file")
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = _locked(lock)
        except BlockingIOError as error:
            raise EdgeshiftError(
                f"{path}: another process is writing this file: wait until it ends, or give another file"
            ) from error
        except (OSError, ValueError) as error:
            raise EdgeshiftError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from error
        try:
            _require_room(handle, room, path)
            yield
        finally:
            lock.unlink(missing_ok=True)
            os.close(handle)
    finally:
        for folder in created:  # only folders that are still empty can be removed
            with suppress(OSError):
                folder.rmdir()


def _locked(lock: Path) -> int:
    """Open the lock file and lock it. Raise BlockingIOError if another process holds the lock."""
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise
            except OSError:  # some network file systems have no locks
                return handle
            # Its last owner may have removed the file between the two calls; then the lock is worth nothing.
            if lock.exists() and os.path.samestat(os.fstat(handle), lock.stat()):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _require_room(handle: int, room: int, path: Path) -> None:
    """Write ``room`` bytes and remove them again, because free space alone does not show quotas.

    Raises:
        EdgeshiftError: they cannot be written.
    """
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(handle, 0, room)
        else:
            os.pwrite(handle, bytes(room), 0)
        os.ftruncate(handle, 0)
    except OSError as error:
        with suppress(OSError):
            os.ftruncate(handle, 0)
        raise EdgeshiftError(
            f"{path}: cannot be written: {error.strerror or error}; {room / 1e6:.0f} MB of free space are needed"
        ) from error
