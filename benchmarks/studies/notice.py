"""What is being done, in one line on stderr: drawn over and over on a terminal, and not at all elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from edgeshift._system.progress import Stages

_CLEAR = "\r\x1b[K"


class Notice(Stages):
    """Stages that show their name while they run.

    Args:
        stream: where to; None: stderr.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream or sys.stderr
        self._prefix = ""

    @contextmanager
    def about(self, prefix: str) -> Iterator[None]:
        """Put ``prefix`` before the stages that run inside the block."""
        before, self._prefix = self._prefix, f"{prefix}: "
        try:
            yield
        finally:
            self._prefix = before

    @contextmanager
    def _drawn(self, name: str, total: int | None) -> Iterator[Callable[[], None]]:
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1
            self._write(f"{self._prefix}{name}" + (f" {done}/{total}" if total else ""))

        self._write(f"{self._prefix}{name}")
        try:
            yield advance
        finally:
            self._write("")

    def _write(self, text: str) -> None:
        if self._stream.isatty():
            self._stream.write(_CLEAR + text)
            self._stream.flush()
