"""Graphs that are broken on purpose, and whether ``edgeshift lint`` or ``edgeshift verify`` finds them.

    python -m edgeshift.benchmarks.studies.broken_graphs FILE... [--json] [--strict]

FILE is an artifact for TFLite (made with ``convert --for mali``, so that it keeps the rules for Mali GPUs) or for ONNX
Runtime. Each break is made to a copy of its graph: states that are lost, swapped, passed through or added; weights,
slices and concatenations that are wrong; operators and shapes that phones refuse. Lint finds a break if a rule is
broken in more places than before. Verify finds it if the copy is refused when it is loaded, or if its self-check fails.
A break that neither finds is listed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from edgeshift._system.progress import ProgressBars
from edgeshift.artifact.file import Artifact, read_artifact, write_artifact
from edgeshift.benchmarks.studies import broken_onnx, broken_tflite
from edgeshift.benchmarks.studies.command import Json, Strict, print_json, print_table, require_stream, study
from edgeshift.errors import CheckFailedError, EdgeshiftError, one_line
from edgeshift.runtimes.lint import lint

#: Longest time of ``edgeshift verify``, seconds.
SECONDS = 120


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """One broken graph.

    Attributes:
        file: name of the artifact that was broken.
        kind: what was broken, such as "a next state is the old one".
        name: where, such as the name of the state; empty: there is only one place.
        rules: rules of lint that are broken in more places than before.
        verify: the message with which verify fails; None: it does not.
    """

    file: str
    kind: str
    name: str
    rules: tuple[str, ...]
    verify: str | None

    @property
    def found(self) -> bool:
        """Whether lint or verify finds it."""
        return bool(self.rules) or self.verify is not None


@study
def main(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Artifacts made by this version.")],
    every: Annotated[int, typer.Option(min=1, help="Of each kind, make the first break and every N-th after it.")] = 1,
    as_json: Json = False,
    strict: Strict = False,
) -> int:
    """Break graphs, and show which of the breaks lint or verify finds."""
    broken = [one for file in files for one in measure(file, every)]
    if as_json:
        print_json(broken)
    else:
        show(broken)
    return int(strict and not all(one.found for one in broken))


def measure(path: Path, every: int = 1) -> list[Broken]:
    """Break an artifact in all ways, and ask lint and verify about each.

    Args:
        path: the artifact.
        every: of the breaks of one kind, the first and every N-th after it are made.

    Raises:
        CheckFailedError: verify fails without a break.
        EdgeshiftError: graphs of this format cannot be broken here, or the artifact takes a whole clip.
    """
    artifact = read_artifact(path)
    require_stream(path, artifact.spec)
    before = _places(artifact)
    broken: list[Broken] = []
    with tempfile.TemporaryDirectory(prefix="edgeshift-") as folder:
        copy = Path(folder) / path.name
        if message := _verify(artifact, artifact.body, copy):
            raise CheckFailedError(f"{path}: verify fails before anything is broken: {message}")
        seen: Counter[str] = Counter()
        chosen = []
        for kind, name, body in _breaks(artifact):
            if seen[kind] % every == 0:
                chosen.append((kind, name, body))
            seen[kind] += 1
        with ProgressBars().stage(f"breaks of {path.name}", len(chosen)) as advance:
            for kind, name, body in chosen:
                after = _places(Artifact(path, artifact.spec, body))
                rules = tuple(rule for rule, count in after.items() if count > before[rule])
                verify = _verify(artifact, body, copy)
                broken.append(Broken(file=path.name, kind=kind, name=name, rules=rules, verify=verify))
                advance()
    return broken


def show(broken: list[Broken]) -> None:
    """Print for each kind of break how many were made, and how many of them lint and verify found."""
    rows = []
    for file, kind in dict.fromkeys((one.file, one.kind) for one in broken):
        same = [one for one in broken if (one.file, one.kind) == (file, kind)]
        counts = len(same), sum(bool(one.rules) for one in same), sum(one.verify is not None for one in same)
        rows.append((file, kind, *map(str, counts), f"{sum(one.found for one in same)} of {len(same)}"))
    print_table(("artifact", "break", "made", "lint", "verify", "found by either"), rows)
    for one in broken:
        if not one.found:
            typer.echo(f"not found: {one.file}: {one.kind}: {one.name}")
    typer.echo(f"{sum(one.found for one in broken)} of {len(broken)} broken graphs were found")


def _breaks(artifact: Artifact) -> Iterator[tuple[str, str, bytes]]:
    """Yield (kind, place, broken graph)."""
    states = tuple(state.name for state in artifact.spec.states)
    if artifact.path.suffix == ".tflite":
        return broken_tflite.breaks(artifact.body, states)
    if artifact.spec.target == "onnx":
        return broken_onnx.breaks(artifact.body, states)
    raise EdgeshiftError(f"{artifact.path}: give an artifact for the target tflite or onnx")


def _places(artifact: Artifact) -> Counter[str]:
    """Return the number of places in which each rule is broken, for all devices. An unreadable graph breaks a rule."""
    try:
        return Counter({finding.rule: len(finding.places) for finding in lint(artifact)})
    except EdgeshiftError as error:
        return Counter({f"refused by lint: {one_line(error)}": 1})


def _verify(artifact: Artifact, body: bytes, copy: Path) -> str | None:
    """Return the last line with which ``edgeshift verify`` fails on a graph; None: it does not fail.

    A broken graph may crash its runtime, so this is a process of its own.
    """
    write_artifact(copy, body, artifact.spec)
    command = [sys.executable, "-m", "edgeshift", "verify", str(copy)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return f"it takes more than {SECONDS} s"
    if done.returncode == 0:
        return None
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return lines[-1] if lines else f"exit status {done.returncode}"


if __name__ == "__main__":
    sys.exit(main())
