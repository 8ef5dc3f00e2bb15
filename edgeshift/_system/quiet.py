"""Silence native libraries, which write log lines to the process's stderr without going through Python."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import IO

_LOCK = threading.RLock()


@contextmanager
def quiet(*, stdout: bool = False) -> Iterator[Callable[[], str]]:
    """Redirect file descriptor 2 to a temporary file while the block runs.

    With ``stdout``, redirect file descriptor 1 as well. If the block raises an exception, the last lines of the
    captured output are added to it as a note, which ``--debug`` shows. Output of other threads is captured as well. If
    another thread is inside such a block, wait for its end.

    Yields:
        A function that returns what was captured so far, at most the last MB. It works while the block runs.
    """
    with _LOCK, _temporary_file() as captured, ExitStack() as stack:
        sys.stderr.flush()
        sys.stdout.flush()
        saved = {fd: os.dup(fd) for fd in ([2, 1] if stdout else [2])}
        for fd in saved:
            os.dup2(captured.fileno(), fd)
        # In notebooks and tests, Python's streams are not these descriptors. They are redirected as well.
        text = stack.enter_context(open(os.dup(captured.fileno()), "w"))  # noqa: PTH123
        stack.enter_context(redirect_stderr(text))
        if stdout:
            stack.enter_context(redirect_stdout(text))

        def last(limit: int = 1 << 20) -> str:
            text.flush()
            end = os.lseek(captured.fileno(), 0, os.SEEK_END)
            return _read(captured.fileno(), max(0, end - limit), limit).decode(errors="replace")

        try:
            yield last
        except Exception as error:
            if hasattr(error, "add_note"):  # Python 3.11
                error.add_note("output of the native library:\n" + last(4000))
            raise
        finally:
            text.flush()
            for fd, copy in saved.items():
                os.dup2(copy, fd)
                os.close(copy)


def _read(handle: int, start: int, limit: int) -> bytes:
    """Read at most ``limit`` bytes from a position of a file. What is written later is still added at the end."""
    if hasattr(os, "pread"):
        return os.pread(handle, limit, start)
    os.lseek(handle, start, os.SEEK_SET)  # Windows
    try:
        return os.read(handle, limit)
    finally:
        os.lseek(handle, 0, os.SEEK_END)


def _temporary_file() -> IO[bytes]:
    """Return a file without a name. On Linux it is in memory, and the slow import of ``tempfile`` is avoided."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("edgeshift"), "w+b")  # noqa: PTH123
    import tempfile

    return tempfile.TemporaryFile()
