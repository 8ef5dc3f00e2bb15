"""Rewrite the figures in the documentation in place, each by the command that measures it.

    python -m edgeshift.benchmarks.studies.refresh_docs [PAGE...] [--only NAME] [--list] [--check]

A page marks where the output of a generator stands. What is between the marks is replaced:

    <!-- figures: targets-int8 -->
    | target | size | ...
    <!-- end of figures -->

Because every figure in README and the guides comes from here, two pages cannot disagree. ``--check`` writes nothing and
compares the blocks that take no time, such as tables of the registry, with what the generators make now.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from edgeshift._system.files import atomic_write
from edgeshift.errors import EdgeshiftError

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"<!-- figures: (?P<name>[\w-]+) -->\n(?P<body>.*?)<!-- end of figures -->", re.DOTALL)
#: Where artifacts that several generators need are kept between runs.
CACHE = Path("build/figures")


class Generator(NamedTuple):
    """What makes the content of a block.

    Attributes:
        make: returns Markdown that ends in a line break.
        minutes: how long that takes on two cores, roughly; 0: no time.
        needs: a path, relative to the repository, without which it cannot run; None: nothing.
    """

    make: Callable[[], str]
    minutes: float = 0.0
    needs: str | None = None


class Page(NamedTuple):
    """A page with blocks, and the names of their generators in order."""

    path: Path
    names: tuple[str, ...]


def pages(root: Path = ROOT) -> list[Page]:
    """Every page with figures: README, the model card, and all pages under ``docs/``."""
    paths = [
        root / "README.md",
        root / "edgeshift" / "weights" / "MODEL_CARD.md",
        *sorted((root / "docs").rglob("*.md")),
    ]
    found = [Page(path, tuple(match["name"] for match in BLOCK.finditer(path.read_text("utf-8")))) for path in paths]
    return [page for page in found if page.names]


def refreshed(text: str, made: dict[str, str]) -> str:
    """A page's text with the blocks that were made anew; other blocks stay as they are."""

    def replace(match: re.Match[str]) -> str:
        body = made.get(match["name"], match["body"])
        return f"<!-- figures: {match['name']} -->\n{body}<!-- end of figures -->"

    return BLOCK.sub(replace, text)


def command_output(*arguments: object, root: Path = ROOT) -> str:
    """What ``edgeshift`` prints, as a console block with the command above it.

    Raises:
        EdgeshiftError: the command fails.
    """
    words = [str(argument) for argument in arguments]
    return f"```console\n$ edgeshift {' '.join(words)}\n{run_edgeshift(*words, root=root)}```\n"


def run_edgeshift(*arguments: str, root: Path = ROOT) -> str:
    """The standard output of an ``edgeshift`` command, without spaces at the ends of lines.

    Raises:
        EdgeshiftError: the command fails.
    """
    folder = root / CACHE
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "edgeshift", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)  # noqa: S603
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise EdgeshiftError(f"edgeshift {' '.join(arguments)} ended with {done.returncode}: {last}")
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def select(asked: Sequence[Path], only: str | None, generators: dict[str, Generator]) -> list[Page]:
    """The pages to refresh, each with the blocks that are asked for.

    Raises:
        EdgeshiftError: a page without figures, or a block that no generator makes.
    """
    known = pages()
    for path in asked:
        if path.resolve() not in {page.path for page in known}:
            raise EdgeshiftError(f"{path}: a page without figures; those with figures are listed by --list")
    for page in known:
        for name in page.names:
            if name not in generators:
                raise EdgeshiftError(f"{page.path.relative_to(ROOT)}: no generator is called {name!r}")
    if only is not None and only not in generators:
        raise EdgeshiftError(f"--only {only}: no generator is called that; they are {', '.join(sorted(generators))}")
    chosen = [page for page in known if not asked or page.path in {path.resolve() for path in asked}]
    chosen = [page._replace(names=tuple(name for name in page.names if only in (None, name))) for page in chosen]
    return [page for page in chosen if page.names]


def main(
    asked: Annotated[
        list[Path] | None, typer.Argument(metavar="[PAGE]...", help="Pages to refresh. Default: all.")
    ] = None,
    only: Annotated[str | None, typer.Option(help="Refresh the blocks of this name alone.")] = None,
    show_list: Annotated[
        bool, typer.Option("--list", help="List pages and blocks with the minutes they take.")
    ] = False,
    check: Annotated[
        bool, typer.Option(help="Write nothing; fail if a block that takes no time is out of date.")
    ] = False,
) -> None:
    """Rewrite the figures in README and the documentation, each by the command that measures it."""
    from edgeshift.benchmarks.studies.docs_generators import GENERATORS

    try:
        chosen = select(asked or [], only, GENERATORS)
        if show_list:
            _list(chosen, GENERATORS)
        elif check:
            _check(chosen, GENERATORS)
        else:
            _refresh(chosen, GENERATORS)
    except EdgeshiftError as error:
        typer.echo(f"edgeshift: {error}", err=True)
        raise typer.Exit(error.status) from error


def _list(chosen: list[Page], generators: dict[str, Generator]) -> None:
    for page in chosen:
        for name in page.names:
            minutes = generators[name].minutes
            typer.echo(f"{page.path.relative_to(ROOT)}: {name}: {f'about {minutes:g} min' if minutes else 'no time'}")


def _check(chosen: list[Page], generators: dict[str, Generator]) -> None:
    outdated = []
    for page in chosen:
        text = page.path.read_text("utf-8")
        made = {name: generators[name].make() for name in page.names if not generators[name].minutes}
        if refreshed(text, made) != text:
            outdated.append(str(page.path.relative_to(ROOT)))
    if outdated:
        typer.echo(f"out of date: {', '.join(outdated)}; run make figures PAGE={outdated[0]}", err=True)
        raise typer.Exit(1)


def _refresh(chosen: list[Page], generators: dict[str, Generator]) -> None:
    names = list(dict.fromkeys(name for page in chosen for name in page.names))
    total = sum(generators[name].minutes for name in names)
    typer.echo(f"{len(names)} blocks in {len(chosen)} pages; about {total:g} minutes on two quiet cores", err=True)
    for (
        name
    ) in names:  # each page is rewritten as soon as one of its blocks is there: a run that is cut off loses little
        generator = generators[name]
        if generator.needs is not None and not (ROOT / generator.needs).exists():
            typer.echo(f"{name}: left as it is: it needs {generator.needs}, which is not there", err=True)
            continue
        typer.echo(f"{name}: {f'about {generator.minutes:g} min' if generator.minutes else 'no time'}", err=True)
        body = generator.make()
        for page in chosen:
            if name in page.names:
                text = page.path.read_text("utf-8")
                if (new := refreshed(text, {name: body})) != text:
                    with atomic_write(page.path) as part:
                        part.write_text(new, "utf-8")


if __name__ == "__main__":
    typer.run(main)
