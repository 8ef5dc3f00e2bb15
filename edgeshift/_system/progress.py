"""Stages of long work: timed always, drawn only by the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter


class Stages:
    """Times named stages. The command line's subclass also draws a bar for each.

    Attributes:
        seconds: {stage: seconds}, in the order they ran.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Callable[[], None]]:
        """Time the block under ``name``.

        Args:
            name: what is being done.
            total: how many times the block will call what it is given; None if that is not known.
        """
        started = perf_counter()
        try:
            with self._drawn(name, total) as advance:
                yield advance
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - started

    @contextmanager
    def _drawn(self, name: str, total: int | None) -> Iterator[Callable[[], None]]:
        yield lambda: None
