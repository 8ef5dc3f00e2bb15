"""Standard output and standard error of a program that prints names of other people's files, devices and labels.

Control characters and characters that change the direction of text could move the cursor, rename the terminal's window
or hide text. They are replaced at this one place, whoever prints them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from edgeshift._system.text import printable

#: Parts of a text that are printed unchanged: line ends and tabs.
_LAYOUT = re.compile(r"([\n\t]+)")


class ReaderGoneError(BrokenPipeError):
    """The reader of standard output has ended, as ``head`` does when it has seen enough."""


class SafeStream:
    """Prints to a text stream, with ``?`` in place of harmful characters, and a backslash for those it cannot encode.

    Args:
        stream: the stream.
        silent: discard what cannot be written, as for notes and errors. Otherwise raise ``ReaderGoneError`` if the
            reader has ended.
    """

    def __init__(self, stream: TextIO, *, silent: bool) -> None:
        self._stream, self._silent, self._styled = stream, silent, False
        #: Whether a text could not be written.
        self.lost = False
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, and return the number of its characters."""
        if not self._styled:
            text = "".join(part if part[:1] in ("\n", "\t") else printable(part) for part in _LAYOUT.split(text))
        return self._try(self._stream.write, text) or 0

    def flush(self) -> None:
        """Write what is buffered."""
        self._try(self._stream.flush)

    @contextmanager
    def styled(self) -> Iterator[None]:
        """Print colours in the block. The caller makes sure that all texts in it are printable."""
        self._styled = True
        try:
            yield
        finally:
            self._styled = False

    def _try(self, work: Any, *arguments: str) -> Any:
        try:
            return work(*arguments)
        except BrokenPipeError as error:
            self.lost = True
            if not self._silent:
                raise ReaderGoneError(*error.args) from error
        except OSError:
            self.lost = True
            if not self._silent:
                raise
        return None


@contextmanager
def safe_streams() -> Iterator[tuple[SafeStream, SafeStream]]:
    """Replace ``sys.stdout`` and ``sys.stderr`` by safe streams while the block runs, and yield these."""
    before = sys.stdout, sys.stderr
    safe: Any = SafeStream(sys.stdout, silent=False), SafeStream(sys.stderr, silent=True)
    sys.stdout, sys.stderr = safe
    try:
        yield safe
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        sys.stdout, sys.stderr = before


@contextmanager
def allow_colours(stream: Any) -> Iterator[None]:
    """Print colours to a stream in the block; see ``SafeStream.styled``."""
    if isinstance(stream, SafeStream):
        with stream.styled():
            yield
    else:
        yield
