"""Which artifact of one report belongs to which of another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from edgeshift.errors import EdgeshiftError


class Named(Protocol):
    """An artifact of a report."""

    @property
    def file(self) -> str:
        """The name of its file."""
        ...


One = TypeVar("One", bound=Named)


def pair(first: Sequence[One], second: Sequence[One]) -> tuple[list[tuple[One, One]], tuple[str, ...]]:
    """By the name of the file where the sides share one, else by order where there are as many on both.

    Returns:
        the pairs in the order of the first side, and the names that only one side has.

    Raises:
        EdgeshiftError: neither.
    """
    names, others = [one.file for one in first], [one.file for one in second]
    shared = set(names) & set(others)
    unique = len(set(names)) == len(names) and len(set(others)) == len(others)
    if shared and unique:
        partner = {one.file: one for one in second}
        pairs = [(one, partner[one.file]) for one in first if one.file in shared]
        return pairs, tuple(name for name in [*names, *others] if name not in shared)
    if len(names) == len(others):
        return list(zip(first, second, strict=True)), ()
    raise EdgeshiftError(
        f"which artifact belongs to which? One report has {', '.join(names)}, the other {', '.join(others)}: "
        "measure files of the same names, or as many"
    )
