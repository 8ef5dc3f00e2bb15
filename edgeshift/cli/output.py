"""What commands print: tables for people, one JSON document for programs, bars on a terminal's stderr."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from edgeshift._system.progress import Stages


def print_json(document: Any) -> None:
    """One JSON document and nothing else."""
    print(json.dumps(document, indent=2))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table as wide as its content; numbers to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, title=title, title_justify="left", box=SIMPLE_HEAD, title_style="bold", pad_edge=False)
    for index, column in enumerate(table.columns):
        if rows and all(_is_number(row[index]) for row in rows):
            column.justify = "right"
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row))
    _console().print(table)


def print_facts(title: str, facts: Sequence[tuple[str, object]]) -> None:
    """Name and value, a line each."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for name, value in facts:
        table.add_row(Text(name, style="dim"), Text(str(value)))
    console = _console()
    console.print(Text(title, style="bold"))
    console.print(table)


def print_next(*command: object) -> None:
    """The last line: what one would run now, ready to paste."""
    print("next:", shlex.join(map(str, command)))


class Bars(Stages):
    """Stages drawn as progress bars on stderr, if that is a terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._live = sys.stderr.isatty()
        # Native libraries are silenced by redirecting descriptor 2: the bars keep a copy of the real one.
        self._out = os.fdopen(os.dup(2), "w") if self._live else None

    @contextmanager
    def _drawn(self, name: str, total: int | None) -> Iterator[Callable[[], None]]:
        if not self._live:
            yield lambda: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description:<10}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(file=self._out, force_terminal=True)) as progress:
            task = progress.add_task(name, total=total)
            yield lambda: progress.advance(task)
            progress.update(task, total=1, completed=1)


def size_text(count: int) -> str:
    """Bytes for people: 2.65 MB."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count} B"


def _console() -> Any:
    from rich.console import Console

    # Piped output is for other programs: never wrap it at the width of a terminal that is not there.
    return Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False, emoji=False)


def _is_number(value: object) -> bool:
    text = str(value).replace(",", "").rstrip("%xKMGBs ")
    try:
        float(text)
    except ValueError:
        return value in ("", "-")
    return True
