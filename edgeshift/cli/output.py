"""Functions that print and write results: tables and facts for people, JSON for programs, notes on standard error."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from edgeshift._system.output_file import require_writable
from edgeshift._system.safe_stream import allow_colours
from edgeshift._system.text import is_printable, printable
from edgeshift.errors import EdgeshiftError

#: Width of tables that are not printed on a terminal, in columns. Programs may read them, so lines should not wrap.
WIDTH = 200


def print_json(document: Any) -> None:
    """Print one JSON document. Structs and dataclasses become objects, paths become strings."""
    import msgspec

    print(json.dumps(msgspec.to_builtins(document, enc_hook=os.fspath), indent=2))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table that is as wide as its content. Columns of numbers are aligned to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(*map(_cell, columns), box=SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(table.columns):
        if rows and all(_is_number(row[index]) for row in rows):
            column.justify = "right"
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    _print(*([Text(_cell(title), style="bold")] if title else []), table)


def print_facts(title: str, facts: Iterable[tuple[str, object]]) -> None:
    """Print a title, and below it one line per fact with its name and value. Without facts, print nothing."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for name, value in facts:
        table.add_row(Text(_cell(name), style="dim"), Text(_cell(value)))
    if table.row_count:
        _print(Text(_cell(title), style="bold"), table)


def print_next(*command: object) -> None:
    """Print the last line of the output: a useful next command, quoted for the shell."""
    print("next:", " ".join(map(_quote, command)))


def print_line(text: object) -> None:
    """Print a text on standard output as one line, also if it has line ends, as names of files may have."""
    print(printable(str(text)))


def print_note(text: object) -> None:
    """Print a note on standard error as one line."""
    print(f"edgeshift: note: {printable(str(text))}", file=sys.stderr)


def require_file_name(path: Path | None, *suffixes: str) -> None:
    """Check the path of an output file before the work. None: there is no file.

    Raises:
        EdgeshiftError: the name has none of these suffixes, a folder has the name, or the file cannot be written.
    """
    if path is None:
        return
    if path.suffix.lower() not in suffixes or path.is_dir():
        raise EdgeshiftError(f"{path}: give a file named {' or '.join(f'*{suffix}' for suffix in suffixes)}")
    require_writable(path)


def require_report_file(out: Path | None) -> None:
    """Raise EdgeshiftError if the file of the report is not named *.json."""
    require_file_name(out, ".json")


def write_report(path: Path, report: Any, *, indent: int = 0) -> None:
    """Write a report as JSON. The file gets its name only when it is complete."""
    import msgspec

    from edgeshift._system.files import atomic_write

    data = msgspec.json.encode(report)
    with atomic_write(path) as temporary:
        temporary.write_bytes((msgspec.json.format(data, indent=indent) if indent else data) + b"\n")


def size_text(count: int) -> str:
    """Return a number of bytes with a decimal unit, such as 2.65 MB."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count} B"


def _print(*items: Any) -> None:
    from rich.console import Console

    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else WIDTH, highlight=False, markup=False, emoji=False)
    # Python's print() writes the text, because rich exits with status 1 if the reader of a pipe has ended.
    with console.capture() as captured:
        console.print(*items, sep="\n")
    with allow_colours(sys.stdout):
        for line in captured.get().removesuffix("\n").split("\n"):
            print(line if terminal else line.rstrip())


def _cell(value: object) -> str:
    """Return the text of a value for a table, where rich adds colours: every line of it is printable."""
    return "\n".join(map(printable, str(value).split("\n")))


def _quote(word: object) -> str:
    """Quote a word for the shell. Bytes that cannot be printed become escapes, as bash and zsh read them."""
    text = os.fspath(word) if isinstance(word, os.PathLike) else str(word)
    if is_printable(text):
        return shlex.quote(text)
    escaped = "".join(
        character
        if is_printable(character) and character not in "'\\"
        else "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))
        for character in text
    )
    return f"$'{escaped}'"


def _is_number(value: object) -> bool:
    text = str(value).replace(",", "").rstrip("%xKMGBs ")
    try:
        float(text)
    except ValueError:
        return value in ("", "-")
    return True
