"""A table of every target in every precision: size, parity, step time, and devices on which it was not verified.

    python -m edgeshift.benchmarks.studies.targets --out artifacts [--rounds N] [--markdown | --json]

The study converts the shipped model to all targets (``edgeshift convert --target all``, once for each precision) and
keeps the artifacts in a folder. Artifacts of the same weights that the folder already has are not converted again. Then
``Timings.infer`` of ``Stream.step`` is timed in turns in one process, with one thread for each runtime, and divided by
the fastest time. Core ML and TensorRT are not timed: Core ML's reference executor only checks results, and TensorRT
needs an NVIDIA device.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
import typer

from edgeshift._system.progress import ProgressBars
from edgeshift.artifact.file import artifact_size, read_artifact
from edgeshift.artifact.spec import ParitySpec
from edgeshift.benchmarks.statistics import ratio
from edgeshift.benchmarks.studies.command import (
    Json,
    Out,
    Rounds,
    markdown_table,
    one_thread,
    print_json,
    print_table,
    study,
    write_json,
)
from edgeshift.benchmarks.studies.every_target import convert_missing, parity_cells, read_choices
from edgeshift.benchmarks.studies.interleave import infer, interleave, stepping
from edgeshift.benchmarks.studies.repeats import ROUNDS
from edgeshift.checkpoints.source import default_source
from edgeshift.runtimes import load
from edgeshift.targets import ALL_PRECISIONS, Precision, find_target

if TYPE_CHECKING:
    from edgeshift.checkpoints import Checkpoint

RESULTS = "targets.json"


class TargetRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One target in one precision.

    Attributes:
        target, precision: the target and the precision.
        file: name of the artifact; None: there is no artifact.
        reason: why there is no artifact.
        size: size of the artifact, bytes.
        parity: the comparison with the original.
        step: time of a step, divided by the time of the fastest artifact; None: not timed.
        elsewhere: devices and runtimes on which the artifact was not verified.
    """

    target: str
    precision: Precision
    file: str | None = None
    reason: str | None = None
    size: int = 0
    parity: ParitySpec | None = None
    step: float | None = None
    elsewhere: str = ""


@study
def main(
    out: Out,
    precisions: Annotated[str, typer.Option(metavar="A,B", help="Precisions. Default: all.")] = ",".join(
        ALL_PRECISIONS
    ),
    targets: Annotated[str | None, typer.Option(metavar="A,B", help="Targets. Default: all.")] = None,
    rounds: Rounds = ROUNDS,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
    as_json: Json = False,
) -> None:
    """Convert the shipped model to every target in every precision and compare size, parity and step time."""
    chosen, names = read_choices(precisions, targets)
    rows = measure(default_source(), out, chosen, names, rounds)
    write_json(rows, out / RESULTS)
    if as_json:
        print_json(rows)
    elif as_markdown:
        typer.echo(markdown(rows), nl=False)
    else:
        print_table(COLUMNS, [cells(row) for row in rows])
        typer.echo(LEGEND)


def measure(
    source: Checkpoint, folder: Path, precisions: list[Precision], targets: list[str], rounds: int
) -> list[TargetRow]:
    """Convert the artifacts that are not in the folder, and time those that can be timed."""
    progress, rows = ProgressBars(live=False), list[TargetRow]()
    for precision in precisions:
        with progress.prefixed(precision):
            rows += _converted(source, folder, precision, targets, progress)
    return _timed(rows, folder, rounds, progress)


def _converted(
    source: Checkpoint, folder: Path, precision: Precision, targets: list[str], progress: ProgressBars
) -> list[TargetRow]:
    rows = []
    for name, path in convert_missing(source, folder, targets, precision, progress).items():
        if isinstance(path, str):
            rows.append(TargetRow(target=name, precision=precision, reason=path))
            continue
        parity = read_artifact(path).spec.parity
        size, elsewhere = artifact_size(path), find_target(name).not_verified
        rows.append(
            TargetRow(target=name, precision=precision, file=path.name, size=size, parity=parity, elsewhere=elsewhere)
        )
    return rows


def _timed(rows: list[TargetRow], folder: Path, rounds: int, progress: ProgressBars) -> list[TargetRow]:
    files = [row.file for row in rows if row.file is not None and find_target(row.target).timed]
    if not files:
        return rows
    frame = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    with one_thread(), progress.stage("timing", rounds) as advance:
        turns = {name: stepping(load(folder / name).stream(), frame, infer) for name in files}
        samples = interleave(turns, rounds, advance=advance)
    fastest = min(files, key=lambda name: float(np.median(samples[name])))
    steps = {name: round(ratio(samples[name], samples[fastest]).value, 3) for name in files}
    return [msgspec.structs.replace(row, step=steps.get(row.file or "")) for row in rows]


COLUMNS = ("target", "precision", "size", "max error", "cosine", "top-1 agrees", "step", "run by", "not verified on")
LEGEND = "max error: largest logit error, divided by the range of the logits; step: time, divided by the fastest time"


def cells(row: TargetRow) -> tuple[str, ...]:
    """Return the cells of a row, in the order of ``COLUMNS``."""
    if row.file is None:
        return (row.target, row.precision, *["-"] * 6, row.reason or "")
    step = "-" if row.step is None else f"{row.step:.2f}"
    size = f"{row.size / 1e6:.2f} MB"
    run_by = "nothing" if row.parity is None else (row.parity.runtime or "-").split(";")[0]
    return (row.target, row.precision, size, *parity_cells(row.parity), step, run_by, row.elsewhere)


def markdown(rows: list[TargetRow]) -> str:
    """Return the table as Markdown."""
    return markdown_table(COLUMNS, map(cells, rows))


if __name__ == "__main__":
    sys.exit(main())
