"""Text from files, devices and other programs, checked or cleaned before it is printed on a terminal."""

from __future__ import annotations

import re

#: Characters that are never printed: control characters, line ends, characters that change the direction of text, and
#: halves of characters (surrogates). Spaces of all kinds, and the joiners of Persian, Hindi and emoji, are printed.
_HARMFUL = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
#: A pattern for JSON schemas: text without these characters.
PRINTABLE_PATTERN = rf"\A[^{_HARMFUL}]*\Z"
_CHARACTER = re.compile(f"[{_HARMFUL}]")


def printable(text: str, replacement: str = "?") -> str:
    """Return the text with the replacement in place of every character that cannot be printed."""
    return _CHARACTER.sub(lambda _match: replacement, text)


def is_printable(text: str, longest: int | None = None) -> bool:
    """Return True if the text can be printed and, with ``longest``, has 1 to ``longest`` characters."""
    return not _CHARACTER.search(text) and (longest is None or 1 <= len(text) <= longest)
