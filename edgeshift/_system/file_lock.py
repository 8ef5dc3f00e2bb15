"""Locks between processes. Windows has none of this kind: there, nothing is locked, and two processes can collide."""

from __future__ import annotations

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: True if this system has locks.
HAS_LOCKS = fcntl is not None


def lock(handle: int) -> None:
    """Lock an open file for this process, until it closes the file or ends. Without locks on this system, do nothing.

    Raises:
        BlockingIOError: another process holds the lock.
        OSError: the file system has no locks.
    """
    if HAS_LOCKS:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
