"""Help pages: panels in colour on a terminal, and plain sections without trailing spaces in a pipe or file."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from typer.core import TyperCommand

from edgeshift.cli.completion import placeholders


class HelpPage:
    """Mixed into typer's commands and groups: formats their help page."""

    help: str | None
    rich_markup_mode: Any

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the page with rich on a terminal, or write it to the formatter."""
        colours = sys.stdout.isatty()
        self.rich_markup_mode = "rich" if colours else None
        self.help = _paragraphs(self.help or "", "" if colours else "\b\n")
        super().format_help(ctx, formatter)  # type: ignore[misc]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections of a page without colours. A page with colours is not made here."""
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
    """A command with such a page. Placeholders in its help texts are filled from the registries."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        for owner in (self, *self.params):
            for placeholder, names in placeholders().items():
                owner.help = (owner.help or "").replace(placeholder, names)


def _paragraphs(text: str, verbatim: str) -> str:
    """Join the lines of each paragraph, so that they wrap at the terminal's width, but not those of indented blocks.

    Args:
        text: a docstring.
        verbatim: put in front of a paragraph with indented lines, which are examples and tables.
    """
    paragraphs = inspect.cleandoc(text.replace("\b\n", "")).split("\n\n")
    return "\n\n".join(
        f"{verbatim}{paragraph}" if "\n  " in paragraph else paragraph.replace("\n", " ") for paragraph in paragraphs
    )
