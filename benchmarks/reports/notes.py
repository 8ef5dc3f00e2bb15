"""Notes on several files, in which no sentence is repeated for each file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

#: Largest number of files that a note names, if it is about all of them.
MAX_NAMES = 3


def by_note(notes: Sequence[tuple[str, Iterable[str]]]) -> list[str]:
    """Return every note once, with the names of the files that it is about.

    Args:
        notes: (name of a file, its notes), for all files.
    """
    files: dict[str, dict[str, None]] = {}
    for file, lines in notes:
        for line in lines:
            files.setdefault(line, {})[file] = None
    every = {file for file, _ in notes}
    return [
        f"{'all files' if every == set(names) and len(names) > MAX_NAMES else all_of(names)}: {line}"
        for line, names in files.items()
    ]


def all_of(names: Iterable[str]) -> str:
    """Return names in one text, such as "a, b and c"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
