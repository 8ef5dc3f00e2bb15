"""Help pages: panels in colour on a terminal, and plain sections without trailing spaces in a pipe or file.

The help of an option is its line under ``Args`` in the docstring of the command's function.
"""

from __future__ import annotations

import re
import sys
import textwrap
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperOption

from edgeshift._system.safe_stream import allow_colours
from edgeshift.cli.completion import fill
from edgeshift.cli.effect import checked, given_options, read_rules

#: Match the section of a docstring that describes the parameters, and the description of one parameter.
ARGS = re.compile(r"^Args:\n((?: {4}.*\n?)+)\n*", re.MULTILINE)
ARG = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)
#: Match the first cell of a table's row, with the spaces around it. Commands have single spaces between their words.
ROW = re.compile(r"( +(?!edgeshift )\S+(?: \S+)* {2,})\S")


class HelpPage:
    """A mix-in for typer's commands and groups that formats their help page."""

    help: str | None
    rich_markup_mode: Any

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the page with rich on a terminal; otherwise write it to the formatter."""
        colours = sys.stdout.isatty()
        self.rich_markup_mode = "rich" if colours else None
        self.help = _paragraphs(
            self.help or "", "" if colours else "\b\n", formatter.width - formatter.indent_increment
        )
        with allow_colours(sys.stdout):
            super().format_help(ctx, formatter)  # type: ignore[misc]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections of a page without colours. With colours, rich writes the panels."""
        panels: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for param in self.get_params(ctx):  # type: ignore[attr-defined]
            panel = param.rich_help_panel or f"{param.param_type_name.capitalize()}s"
            name, text = param.get_help_record(ctx)
            panels.setdefault(panel, []).append((param.metavar if panel == "Arguments" else name, text))
        panels["Options"] = panels.pop("Options")  # --help comes last
        for panel, records in panels.items():
            if records:
                with formatter.section(panel):
                    formatter.write_dl(records)


class Command(HelpPage, TyperCommand):
    """A command whose options are described by its docstring. Flags have no ``--no-`` form."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        text = self.help or ""
        described = {
            name: " ".join(words.split()) for block in ARGS.findall(text) for name, words in ARG.findall(block)
        }
        self.help = ARGS.sub("", text)
        for param in self.params:
            assert isinstance(param, (TyperArgument, TyperOption))
            param.help = fill(described.get(param.name, param.help or ""))
            if isinstance(param, TyperOption) and param.is_bool_flag:
                param.secondary_opts, param.metavar = [], ""

    def invoke(self, ctx: Any) -> Any:
        """Run the command, unless an option on the command line has no effect."""
        callback: Any = self.callback
        with checked(given_options(ctx, self.params), read_rules(callback)):
            return super().invoke(ctx)


def _paragraphs(text: str, verbatim: str, width: int) -> str:
    """Join the lines of each paragraph, so that they wrap at the terminal's width, but keep examples and tables.

    Args:
        text: a docstring without indentation.
        verbatim: prefix for paragraphs with indented lines, which are examples and tables.
        width: width of the page. Rows of tables are wrapped to it; commands stay one line, so that they can be copied.
    """
    paragraphs = text.replace("\b\n", "").split("\n\n")
    return "\n\n".join(
        verbatim + "\n".join(_wrap_row(line, width) for line in paragraph.split("\n"))
        if "\n  " in paragraph
        else paragraph.replace("\n", " ")
        for paragraph in paragraphs
    )


def _wrap_row(line: str, width: int) -> str:
    """Wrap a line to a width. The second cell of a table's row continues below its beginning."""
    row = ROW.match(line)
    if len(line) <= width or (line.startswith(" ") and row is None):
        return line
    indent = " " * len(row[1]) if row else ""
    return textwrap.fill(line, max(width, len(indent) + 20), subsequent_indent=indent, break_long_words=False)
