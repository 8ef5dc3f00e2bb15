"""Graphs that are broken on purpose, and whether ``edgeshift lint`` or ``edgeshift verify`` finds them.

    python -m edgeshift.benchmarks.studies.broken_graphs FILE... [--every N] [--out DIR] [--json] [--strict]

FILE is an artifact for TFLite (made with ``convert --for mali``, so that it keeps the rules for Mali GPUs) or for ONNX
Runtime. Each break is made to a copy of its graph: states that are lost, swapped, passed through or added; weights,
slices and concatenations that are wrong; operators and shapes that phones refuse. Lint finds a break if a rule is
broken in more places than before. Verify finds it if the copy is refused when it is loaded, or if a check fails. A
break that neither finds is listed. With --out, each result is stored at once: a run that was stopped continues.
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

from edgeshift._system.files import sha256
from edgeshift._system.json_lines import JsonLines
from edgeshift._system.progress import ProgressBars
from edgeshift.artifact.file import Artifact, read_artifact, write_artifact
from edgeshift.benchmarks.studies import broken_onnx, broken_tflite
from edgeshift.benchmarks.studies.command import Json, Strict, print_json, print_table, require_stream, study
from edgeshift.errors import CheckFailedError, EdgeshiftError, one_line
from edgeshift.runtimes.lint import lint

#: Longest time of ``edgeshift verify``, seconds.
SECONDS = 120
#: The part of it that needs no PyTorch.
SELF_CHECK = """
import sys
from pathlib import Path
from edgeshift.runtimes import load
from edgeshift.stream.selfcheck import self_check
problems = self_check(load(Path(sys.argv[1]))).problems
sys.exit("self-check: " + "; ".join(problems) if problems else 0)
"""


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """One broken graph.

    Attributes:
        digest: the SHA-256 of the broken graph.
        file: name of the artifact that was broken.
        kind: what was broken, such as "a next state is the old one".
        name: where, such as the name of the state; empty: there is only one place.
        rules: rules of lint that are broken in more places than before.
        verify: the message with which verify fails; None: it does not.
    """

    digest: str
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
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder in which each result is stored.")] = None,
    as_json: Json = False,
    strict: Strict = False,
) -> int:
    """Break graphs, and show which of the breaks lint or verify finds."""
    journal = None
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        journal = JsonLines(out / "broken.jsonl", Broken, resume=True)
    broken = [one for file in files for one in measure(file, every, journal)]
    if as_json:
        print_json(broken)
    else:
        show(broken)
    return int(strict and not all(one.found for one in broken))


def measure(path: Path, every: int = 1, journal: JsonLines[Broken] | None = None) -> list[Broken]:
    """Break an artifact in all ways, and ask lint and verify about each.

    Args:
        path: the artifact.
        every: of the breaks of one kind, the first and every N-th after it are made.
        journal: results of this version of edgeshift, to which each new one is added; None: nothing is stored.

    Raises:
        CheckFailedError: verify fails without a break.
        EdgeshiftError: graphs of this format cannot be broken here, or the artifact takes a whole clip.
    """
    artifact = read_artifact(path)
    require_stream(path, artifact.spec)
    before = _places(artifact)
    stored = {(one.file, one.digest): one for one in journal.entries} if journal is not None else {}
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
                digest = sha256(body)
                one = stored.get((path.name, digest))
                if one is None:
                    after = _places(Artifact(path, artifact.spec, body))
                    rules = tuple(rule for rule, count in after.items() if count > before[rule])
                    verify = _verify(artifact, body, copy)
                    one = Broken(digest=digest, file=path.name, kind=kind, name=name, rules=rules, verify=verify)
                    if journal is not None:
                        journal.add(one)
                broken.append(one)
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

    A broken graph may crash its runtime, so this is a process of its own. Its first part, the self-check, is run alone
    at first, because it finds most breaks and needs no PyTorch, which takes seconds to import.
    """
    write_artifact(copy, body, artifact.spec)
    for command in (
        [sys.executable, "-c", SELF_CHECK, str(copy)],
        [sys.executable, "-m", "edgeshift", "verify", str(copy)],
    ):
        try:
            done = subprocess.run(  # noqa: S603
                command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return f"it takes more than {SECONDS} s"
        if done.returncode != 0:
            lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            return lines[-1] if lines else f"exit status {done.returncode}"
    return None


if __name__ == "__main__":
    sys.exit(main())
