"""Every target in every precision: size, equality with the original, the time of a step, and what was verified where.

    python -m edgeshift.benchmarks.studies.targets --out artifacts [--rounds N] [--markdown | --json]

Converts the model that ships to all targets (``edgeshift convert --target all``, once for each precision) and keeps
the files in a folder; what is there already, of the same weights, is not converted again. Those with a runtime made
for speed are then timed in turns in one process, one thread each: ``Timings.infer`` of ``Stream.step``, over the
fastest. The reference executor of Core ML's programs is a checker, and TensorRT needs its device: neither is timed.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from edgeshift._system.files import atomic_write
from edgeshift.artifact.file import artifact_size, read_artifact
from edgeshift.artifact.spec import ParitySpec
from edgeshift.benchmarks.statistics import ratio
from edgeshift.benchmarks.studies.interleave import interleave
from edgeshift.benchmarks.studies.notice import Notice
from edgeshift.benchmarks.studies.options import ROUNDS, one_thread, run
from edgeshift.benchmarks.studies.overhead import infer, stepping
from edgeshift.checkpoints.source import default_source
from edgeshift.errors import ArtifactError, EdgeshiftError
from edgeshift.runtimes import load
from edgeshift.targets import ALL_PRECISIONS, TARGETS, Precision, find_target

if TYPE_CHECKING:
    from rich.console import Console

    from edgeshift.checkpoints.source import Source

RESULTS = "targets.json"


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One target in one precision.

    Attributes:
        file: its name; None: it cannot be had, for a ``reason``. size: bytes.
        parity: with the original. runtime: what ran it for that. step: time of a step over the fastest one's.
        elsewhere: what was not verified.
    """

    target: str
    precision: Precision
    file: str | None = None
    reason: str | None = None
    size: int = 0
    parity: ParitySpec | None = None
    step: float | None = None
    elsewhere: str = ""


def main(arguments: list[str] | None = None) -> int:
    """Run it and print it."""
    parser = argparse.ArgumentParser(description="Every target in every precision.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder for the artifacts and results")
    parser.add_argument("--precisions", default=",".join(ALL_PRECISIONS), help=f"(default: {','.join(ALL_PRECISIONS)})")
    parser.add_argument("--targets", metavar="A,B", help="which (default: all)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of timing (default: {ROUNDS})")
    parser.add_argument("--markdown", action="store_true", help="print the table as the documentation has it")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    settings = parser.parse_args(arguments)

    def work() -> int:
        precisions = settings.precisions.split(",")
        if unknown := [name for name in precisions if name not in ALL_PRECISIONS]:
            raise EdgeshiftError(f"--precisions {unknown[0]}: give some of {', '.join(ALL_PRECISIONS)}")
        targets = settings.targets.split(",") if settings.targets else None
        rows = measure(default_source(), settings.out, precisions, targets, settings.rounds)
        document = msgspec.json.format(msgspec.json.encode(rows), indent=1)
        with atomic_write(settings.out / RESULTS) as part:
            part.write_bytes(document)
        if settings.json:
            sys.stdout.write(document.decode() + "\n")
        elif settings.markdown:
            sys.stdout.write(markdown(rows))
        else:
            from rich.console import Console

            show(rows, Console())
        return 0

    return run(work)


def measure(
    source: Source, folder: Path, precisions: list[Precision], targets: list[str] | None, rounds: int
) -> list[Row]:
    """Convert what is missing, time what can be timed.

    Raises:
        EdgeshiftError: an unknown target, or no rounds.
    """
    # By name: benchmarks must import where no converter is installed. This one is about conversions.
    converters = importlib.import_module("edgeshift.converters")
    names = list(TARGETS) if targets is None else targets
    for name in names:
        find_target(name)
    notice, rows = Notice(), []
    for precision in precisions:
        with notice.about(precision):
            rows += _converted(converters, source, folder, precision, names, notice)
    return _timed(rows, folder, rounds, notice)


def _converted(
    converters: Any, source: Source, folder: Path, precision: Precision, targets: list[str], notice: Notice
) -> list[Row]:
    paths = {name: folder / converters.default_path(source, name, precision) for name in targets}
    missing = [name for name, path in paths.items() if not _is_of(path, source)]
    options = converters.Options(precision=precision)
    outcomes = converters.convert_all(source, folder, options, notice, missing) if missing else []
    reasons = {outcome.target: str(outcome.error) for outcome in outcomes if outcome.error is not None}
    rows = []
    for name, path in paths.items():
        if name in reasons:
            rows.append(Row(target=name, precision=precision, reason=reasons[name]))
            continue
        parity = read_artifact(path).spec.parity
        size, elsewhere = artifact_size(path), find_target(name).not_verified
        rows.append(
            Row(target=name, precision=precision, file=path.name, size=size, parity=parity, elsewhere=elsewhere)
        )
    return rows


def _is_of(path: Path, source: Source) -> bool:
    """Whether a file is there, and of these weights."""
    try:
        return path.exists() and read_artifact(path).spec.weights == source.weights
    except ArtifactError:
        return False


def _timed(rows: list[Row], folder: Path, rounds: int, notice: Notice) -> list[Row]:
    files = [row.file for row in rows if row.file is not None and find_target(row.target).timed]
    if not files:
        return rows
    frame = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    with one_thread(), notice.stage("timing", rounds) as advance:
        turns = {name: stepping(load(folder / name).stream(), frame, infer) for name in files}
        samples = interleave(turns, rounds, advance=advance)
    fastest = min(files, key=lambda name: float(np.median(samples[name])))
    steps = {name: round(ratio(samples[name], samples[fastest]).value, 3) for name in files}
    return [msgspec.structs.replace(row, step=steps.get(row.file or "")) for row in rows]


COLUMNS = ("target", "precision", "size", "max error", "cosine", "same first label", "step", "run here by", "not here")


def cells(row: Row) -> tuple[str, ...]:
    """A row as texts, in the order of ``COLUMNS``."""
    if row.file is None:
        return (row.target, row.precision, *["-"] * 6, row.reason or "")
    step = "-" if row.step is None else f"{row.step:.2f}"
    size = f"{row.size / 1e6:.2f} MB"
    if row.parity is None:
        return (row.target, row.precision, size, "-", "-", "-", step, "nothing", row.elsewhere)
    found = (f"{row.parity.max_error:.1e}", f"{row.parity.cosine:.6f}", f"{row.parity.top1:.0%}")
    return (row.target, row.precision, size, *found, step, (row.parity.runtime or "-").split(";")[0], row.elsewhere)


def markdown(rows: list[Row]) -> str:
    """The table as documentation has it."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    return "\n".join([*lines, *("| " + " | ".join(cells(row)) + " |" for row in rows)]) + "\n"


def show(rows: list[Row], console: Console) -> None:
    """The table."""
    from rich.table import Table
    from rich.text import Text

    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(*(Text(text) for text in cells(row)))
    console.print(table)
    console.print("max error: of the range of the logits; step: time over the fastest one's")


if __name__ == "__main__":
    sys.exit(main())
