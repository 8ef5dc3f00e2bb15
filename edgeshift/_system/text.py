"""Text from files, devices and other programs, checked or cleaned before it is printed on a terminal."""

from __future__ import annotations

#: A pattern for JSON schemas: no control characters, no line ends, no characters that change the direction of text.
PRINTABLE_PATTERN = r"\A[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]*\Z"


def printable(text: str, replacement: str = "?") -> str:
    """Return the text with the replacement in place of every character that cannot be printed."""
    return "".join(character if character.isprintable() else replacement for character in text)


def is_printable(text: str, longest: int | None = None) -> bool:
    """Return True if the text can be printed and, with ``longest``, has 1 to ``longest`` characters."""
    return text.isprintable() and (longest is None or 1 <= len(text) <= longest)
