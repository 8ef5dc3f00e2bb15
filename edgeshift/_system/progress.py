"""Progress of long work: how long each stage took, and what the user sees on stderr meanwhile."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic, perf_counter
from typing import TextIO

from edgeshift._system.text import printable

#: Seconds between two progress lines, and before the first one, if stderr is not a terminal.
LINE_INTERVAL = 10.0


class Stages:
    """Measures the time of named stages and shows nothing.

    Attributes:
        seconds: {stage: seconds}, in the order in which the stages first ran.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Callable[[], None]]:
        """Measure the time of the block and add it to ``seconds[name]``.

        Args:
            name: name of the stage.
            total: number of steps in the block; None: not known.

        Yields:
            A function that the block calls after each step.
        """
        started = perf_counter()
        try:
            with self._shown(name, total) as advance:
                yield advance
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - started

    @contextmanager
    def _shown(self, name: str, total: int | None) -> Iterator[Callable[[], None]]:
        yield lambda: None


class ProgressBars(Stages):
    """Stages that are shown on stderr: as bars on a terminal, elsewhere as a line of text every ten seconds.

    Args:
        live: redraw the bar ten times a second in a thread of its own, and leave finished bars on the terminal. False:
            redraw only when the block advances, and remove finished bars. Use False for blocks that measure time in
            this process: a thread that draws would disturb the measurement.
    """

    def __init__(self, *, live: bool = True) -> None:
        super().__init__()
        self._live = live
        self._prefix = ""
        self._next_line = 0.0
        self._terminal = sys.stderr.isatty()
        # Native libraries are silenced by redirecting descriptor 2. Progress goes to a copy of the real one.
        self._stderr = os.dup(2)
        weakref.finalize(self, os.close, self._stderr)

    @contextmanager
    def prefixed(self, prefix: str) -> Iterator[None]:
        """Show ``prefix`` before the names of the stages that run in the block."""
        outer, self._prefix = self._prefix, f"{prefix}: "
        try:
            yield
        finally:
            self._prefix = outer

    @contextmanager
    def _shown(self, name: str, total: int | None) -> Iterator[Callable[[], None]]:
        show = self._bar if self._terminal else self._lines
        stderr = open(os.dup(self._stderr), "w", errors="backslashreplace")  # noqa: PTH123, SIM115
        try:
            with show(printable(self._prefix + name), total, stderr) as advance:
                yield advance
        finally:
            with suppress(OSError):  # the reader of a pipe has ended
                stderr.close()

    @contextmanager
    def _bar(self, title: str, total: int | None, stderr: TextIO) -> Iterator[Callable[[], None]]:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        progress = Progress(
            *(SpinnerColumn(), TextColumn("{task.description:<10}", markup=False), BarColumn(), TimeElapsedColumn()),
            console=Console(file=stderr, force_terminal=True),
            auto_refresh=self._live,
            transient=not self._live,
        )
        with progress:
            task = progress.add_task(title, total=total)
            yield lambda: progress.update(task, advance=1, refresh=not self._live)
            progress.update(task, total=1, completed=1)

    @contextmanager
    def _lines(self, title: str, total: int | None, stderr: TextIO) -> Iterator[Callable[[], None]]:
        started, steps, ended = monotonic(), 0, threading.Event()
        if not self._next_line:
            self._next_line = started + LINE_INTERVAL

        def advance() -> None:
            nonlocal steps
            steps += 1

        def write_lines() -> None:
            while not ended.wait(max(0.0, self._next_line - monotonic())):
                share = f"{steps} of {total}, " if total else ""
                with suppress(OSError):  # the reader of a pipe has ended
                    stderr.write(f"{title}: {share}{monotonic() - started:.0f} s\n")
                    stderr.flush()
                self._next_line = monotonic() + LINE_INTERVAL

        writer = threading.Thread(target=write_lines, name="progress", daemon=True)
        writer.start()
        try:
            yield advance
        finally:
            ended.set()
            writer.join()
