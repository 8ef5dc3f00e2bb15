"""Rewrite the figures in the documentation in place. Each block of figures has a generator that makes its content.

    python -m edgeshift.benchmarks.studies.refresh_docs [PAGE...] [--only NAME] [--list] [--check]

Marks in a page enclose the output of a generator, which is replaced:

    <!-- figures: targets-int8 -->
    | target | size | ...
    <!-- end of figures -->

Because every figure in README and the guides comes from here, two pages cannot disagree. ``--check`` writes nothing. It
compares the blocks that are made within seconds, such as the help of the commands, with the output of their generators.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from edgeshift._system.files import atomic_write
from edgeshift.benchmarks.studies.command import study
from edgeshift.errors import EdgeshiftError

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"<!-- figures: (?P<name>[\w-]+) -->\n(?P<body>.*?)<!-- end of figures -->", re.DOTALL)
#: Folder in which artifacts that several generators need are kept between runs.
CACHE = Path("build/figures")
#: Run time of the slowest block that ``--check`` makes, minutes.
CHECKED = 0.1


class Generator(NamedTuple):
    """The generator of a block.

    Attributes:
        make: returns Markdown that ends in a line break.
        minutes: approximate run time on two cores; 0: no time.
        needs: a path, relative to the repository, without which it cannot run; None: it can always run.
    """

    make: Callable[[], str]
    minutes: float = 0.0
    needs: str | None = None

    @property
    def time(self) -> str:
        """The run time in words."""
        return f"about {self.minutes:g} min" if self.minutes else "no time"


class Page(NamedTuple):
    """A page with blocks, and the names of their generators in order."""

    path: Path
    names: tuple[str, ...]


def pages(root: Path = ROOT) -> list[Page]:
    """Return the pages that have blocks: README, the model card and pages under ``docs/``."""
    paths = [root / "README.md", root / "edgeshift/weights/MODEL_CARD.md", *sorted((root / "docs").rglob("*.md"))]
    listed = [Page(path, tuple(match["name"] for match in BLOCK.finditer(path.read_text("utf-8")))) for path in paths]
    return [page for page in listed if page.names]


def refreshed(text: str, made: dict[str, str]) -> str:
    """Return a page's text with the blocks in ``made``, {name: new content}, replaced."""

    def replace(match: re.Match[str]) -> str:
        body = made.get(match["name"], match["body"])
        return f"<!-- figures: {match['name']} -->\n{body}<!-- end of figures -->"

    return BLOCK.sub(replace, text)


def command_output(*arguments: str) -> str:
    """Return a console block with an ``edgeshift`` command and its output.

    Raises:
        EdgeshiftError: the command fails.
    """
    return f"```console\n$ edgeshift {' '.join(arguments)}\n{run_edgeshift(*arguments)}```\n"


def run_edgeshift(*arguments: str) -> str:
    """Return the standard output of an ``edgeshift`` command, without spaces at the ends of lines.

    Raises:
        EdgeshiftError: the command fails.
    """
    folder = ROOT / CACHE
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "edgeshift", *arguments]
    # Help is wrapped at the width of the terminal, which may not change the pages.
    wide = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=wide)  # noqa: S603
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise EdgeshiftError(f"edgeshift {' '.join(arguments)} ended with {done.returncode}: {last}")
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def select(paths: Sequence[Path], only: str | None, generators: dict[str, Generator]) -> list[Page]:
    """Return the pages to refresh, each with the names of the blocks to refresh.

    Args:
        paths: the pages; empty: all pages.
        only: name of the blocks; None: all blocks.
        generators: {name: generator}.

    Raises:
        EdgeshiftError: a page has no blocks, or a block has no generator.
    """
    known, paths = pages(), [path.resolve() for path in paths]
    for path in paths:
        if path not in {page.path for page in known}:
            raise EdgeshiftError(f"{path}: this page has no blocks of figures; --list shows the pages that have some")
    for page in known:
        for name in page.names:
            if name not in generators:
                raise EdgeshiftError(f"{page.path.relative_to(ROOT)}: no generator is called {name!r}")
    if only is not None and only not in generators:
        raise EdgeshiftError(f"--only {only}: no such generator; choose one of {', '.join(sorted(generators))}")
    chosen = [page for page in known if not paths or page.path in paths]
    chosen = [page._replace(names=tuple(name for name in page.names if only in (None, name))) for page in chosen]
    return [page for page in chosen if page.names]


@study
def main(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[PAGE]...", help="Pages to refresh. Default: all.")
    ] = None,
    only: Annotated[str | None, typer.Option(help="Refresh only the blocks with this name.")] = None,
    show_list: Annotated[bool, typer.Option("--list", help="List pages and blocks with their run time.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if a block that is made within seconds is out of date.")
    ] = False,
) -> int:
    """Rewrite the figures in README and the documentation in place."""
    from edgeshift.benchmarks.studies.docs_generators import GENERATORS

    chosen = select(paths or [], only, GENERATORS)
    if show_list:
        for page in chosen:
            for name in page.names:
                print(f"{page.path.relative_to(ROOT)}: {name}: {GENERATORS[name].time}")
        return 0
    return _check(chosen, GENERATORS) if check else _refresh(chosen, GENERATORS)


def _check(chosen: list[Page], generators: dict[str, Generator]) -> int:
    outdated = []
    for page in chosen:
        text = page.path.read_text("utf-8")
        made = {name: generators[name].make() for name in page.names if generators[name].minutes <= CHECKED}
        if refreshed(text, made) != text:
            outdated.append(str(page.path.relative_to(ROOT)))
    if outdated:
        typer.echo(f"out of date: {', '.join(outdated)}; run make figures PAGE={outdated[0]}", err=True)
    return 1 if outdated else 0


def _refresh(chosen: list[Page], generators: dict[str, Generator]) -> int:
    names = list(dict.fromkeys(name for page in chosen for name in page.names))
    total = sum(generators[name].minutes for name in names)
    typer.echo(f"{len(names)} blocks in {len(chosen)} pages; about {total:g} minutes on two quiet cores", err=True)
    for name in names:
        generator = generators[name]
        if generator.needs is not None and not (ROOT / generator.needs).exists():
            typer.echo(f"{name}: not refreshed: it needs {generator.needs}, which does not exist", err=True)
            continue
        typer.echo(f"{name}: {generator.time}", err=True)
        body = generator.make()
        # Pages are rewritten after each block, so that an interrupted run loses only the block in progress.
        for page in chosen:
            if name in page.names:
                text = page.path.read_text("utf-8")
                if (new := refreshed(text, {name: body})) != text:
                    with atomic_write(page.path) as part:
                        part.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
