"""Native libraries log to the process's own stderr, past Python. This catches it, and keeps it for errors."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout

_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def quiet(*, stdout: bool = False) -> Iterator[None]:
    """Send file descriptor 2 (and 1, if asked) to a temporary file while the block runs.

    If the block raises, the last lines of what was caught are added to the exception as a note, so that ``--debug``
    shows them. One thread at a time; what others print meanwhile is caught too.
    """
    descriptors = [2, 1] if stdout else [2]
    with _ONE_AT_A_TIME:
        yield from _quiet(descriptors)


def _quiet(descriptors: list[int]) -> Iterator[None]:
    sys.stderr.flush()
    sys.stdout.flush()
    saved = {fd: os.dup(fd) for fd in descriptors}
    with tempfile.TemporaryFile() as caught, ExitStack() as stack:
        for fd in descriptors:
            os.dup2(caught.fileno(), fd)
        # Where Python's own streams are not those descriptors (notebooks, tests), they are caught as well.
        text = stack.enter_context(open(os.dup(caught.fileno()), "w"))  # noqa: PTH123
        stack.enter_context(redirect_stderr(text))
        if 1 in descriptors:
            stack.enter_context(redirect_stdout(text))
        try:
            yield
        except Exception as error:
            text.flush()
            caught.seek(max(0, caught.tell() - 4000))
            if hasattr(error, "add_note"):  # Python 3.11
                error.add_note("what the native library printed:\n" + caught.read().decode(errors="replace"))
            raise
        finally:
            text.flush()
            for fd, copy in saved.items():
                os.dup2(copy, fd)
                os.close(copy)
