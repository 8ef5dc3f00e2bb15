"""Errors in the user's own code as one line: the file, the line number and the message."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from edgeshift._system.text import printable
from edgeshift.errors import EdgeshiftError, ModelError, one_line

#: Folders whose code is not the user's.
_PACKAGES = ("site-packages", "dist-packages")
_OWN = Path(__file__).parents[2]


@contextmanager
def users_code(doing: str) -> Iterator[None]:
    """Run the user's own code in the ``with`` block. What the code prints goes to standard error.

    Standard output is left to edgeshift, because it may be JSON.

    Args:
        doing: start of the error message, such as "the network fails on frames [8, 3, 112, 112]".

    Raises:
        ModelError: the code raises an exception. The message has the file and the line of the user's code.
    """
    with redirect_stdout(sys.stderr):
        try:
            yield
        except EdgeshiftError:
            raise
        except (Exception, SystemExit) as error:
            raise ModelError(f"{doing}: {explain(error)}") from error


def explain(error: BaseException) -> str:
    """Return an exception as "file.py:12: ValueError: message", with the innermost line of the user's own code."""
    text = f"{type(error).__name__}: {printable(one_line(error))}" if str(error) else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: {text}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_file() and not path.is_relative_to(_OWN) and not set(_PACKAGES) & set(path.parts):
            if path.is_relative_to(Path(traceback.__file__).parent):  # the standard library
                continue
            return f"{frame.filename}:{frame.lineno}: {text}"
    return text
