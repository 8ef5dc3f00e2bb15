"""A table of clip artifacts: network x target x precision, with parity, operators, size, and time of an answer.

    python -m edgeshift.benchmarks.studies.clip_mode --out artifacts [--frames T] [--size N] [--rounds N] [--json]

Each network is untrained, and shifts features from the past and from the future. Its clip artifact takes T frames, and
is compared with the clip form of the network. The same weights without the future are converted to a stream artifact.
Then ``Timings.infer`` of an answer of the clip, and of a step of the stream, are timed in turns in one process, with
one thread for each runtime. The ratio is the time of an answer, divided by that of T steps. Core ML and TensorRT are
not timed. Artifacts of the same network that the folder already has are not converted again.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
import typer

from edgeshift._system.progress import ProgressBars
from edgeshift.artifact.file import artifact_size, read_artifact
from edgeshift.artifact.spec import GraphSpec, ParitySpec
from edgeshift.benchmarks.latency.steps import timed_steps
from edgeshift.benchmarks.statistics import Interval, ratio
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
from edgeshift.benchmarks.studies.interleave import Turn, infer, interleave, stepping
from edgeshift.benchmarks.studies.machine import Machine, load_average, this_machine
from edgeshift.benchmarks.studies.repeats import ROUNDS
from edgeshift.checkpoints.source import untrained_source
from edgeshift.runtimes import load
from edgeshift.targets import ALL_PRECISIONS, Precision, find_target

if TYPE_CHECKING:
    from edgeshift.checkpoints import Checkpoint
    from edgeshift.converters import ClipOptions

RESULTS = "clip_mode.json"
NETWORKS = ("tsm_mobilenet_v2", "tsm_resnet50")
FRAMES, SIZE = 8, 112


class ClipRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One network in clip mode, for one target in one precision.

    Attributes:
        network, target, precision: what was converted.
        reason: why there is no artifact; None: there is one.
        parity, graph: the comparison with the clip form of the network, and the operators.
        size: size of the artifact, bytes.
        answer: time of an answer in the runtime, milliseconds; None: not timed.
        frame: ``answer``, divided by the frames from one answer to the next.
        steps: ``answer``, divided by the time of as many stream steps as the clip has frames; None: not timed.
    """

    network: str
    target: str
    precision: Precision
    reason: str | None = None
    parity: ParitySpec | None = None
    graph: GraphSpec | None = None
    size: int = 0
    answer: float | None = None
    frame: float | None = None
    steps: Interval | None = None

    @property
    def transposes(self) -> int | None:
        """Number of operators that transpose a tensor; None: not known."""
        if self.graph is None:
            return None
        return sum(count for name, count in self.graph.operators.items() if "transpose" in name.lower())


class ClipStudy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One run of the study: the frames of a clip, the size of a frame in pixels, the machine, and the rows."""

    frames: int
    hop: int
    size: int
    rounds: int
    machine: Machine
    rows: tuple[ClipRow, ...]


@study
def main(
    out: Out,
    networks: Annotated[str, typer.Option(metavar="A,B", help="Networks.")] = ",".join(NETWORKS),
    targets: Annotated[str | None, typer.Option(metavar="A,B", help="Targets. Default: all.")] = None,
    precisions: Annotated[str, typer.Option(metavar="A,B", help="Precisions.")] = ",".join(ALL_PRECISIONS),
    frames: Annotated[int, typer.Option(min=2, help="Frames of a clip.")] = FRAMES,
    size: Annotated[int, typer.Option(min=32, help="Height and width of the frames, pixels.")] = SIZE,
    rounds: Rounds = ROUNDS,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
    as_json: Json = False,
) -> None:
    """Convert networks in clip mode and compare parity, operators, size and time with those of a stream."""
    chosen, names = read_choices(precisions, targets)
    result = measure(out, networks.split(","), names, chosen, frames, size, rounds)
    write_json(result, out / RESULTS)
    if as_json:
        print_json(result)
    elif as_markdown:
        print(markdown(result), end="")
    else:
        print_table(COLUMNS, list(map(cells, result.rows)), f"clips of {frames} frames of {size}x{size}: {LEGEND}")


def measure(
    folder: Path,
    networks: list[str],
    targets: list[str],
    precisions: list[Precision],
    frames: int,
    size: int,
    rounds: int,
) -> ClipStudy:
    """Convert every network to every target in every precision, and time those that can be timed.

    Raises:
        EdgeshiftError: a network or its size is not possible.
    """
    from edgeshift.converters import ClipOptions

    before, progress, rows = load_average(), ProgressBars(live=False), list[ClipRow]()
    clip = ClipOptions(frames, hop=max(1, frames // 2))
    for network in networks:
        past = untrained_source(network, size=size)
        files: dict[str, tuple[Path, Path]] = {}
        converted: list[ClipRow] = []
        for precision in precisions:
            with progress.prefixed(f"{network} {precision}"):
                home = folder / f"{network}_{size}"
                clips = convert_missing(_with_future(past), home, targets, precision, progress, clip)
                streams = convert_missing(past, home, targets, precision, progress)
            for target in targets:
                path, stream = clips[target], streams[target]
                converted.append(_row(network, target, precision, path))
                if isinstance(path, Path) and isinstance(stream, Path) and find_target(target).timed:
                    files[f"{target} {precision}"] = path, stream
        rows += _timed(converted, files, clip, rounds, progress)
    machine = this_machine(before, load_average())
    hop = clip.hop or 1
    return ClipStudy(frames=frames, hop=hop, size=size, rounds=rounds, machine=machine, rows=tuple(rows))


def _with_future(source: Checkpoint) -> Checkpoint:
    """Return a network with the same weights, whose shift also reads the next frame."""
    from edgeshift.models import build

    network = build(msgspec.structs.replace(source.config, bidirectional=True)).eval()
    network.load_state_dict(source.network.state_dict())
    return replace(source, network=network)


def _row(network: str, target: str, precision: Precision, found: Path | str) -> ClipRow:
    row = ClipRow(network=network, target=target, precision=precision)
    if isinstance(found, str):
        return msgspec.structs.replace(row, reason=found)
    spec = read_artifact(found).spec
    return msgspec.structs.replace(row, parity=spec.parity, graph=spec.graph, size=artifact_size(found))


def _timed(
    rows: list[ClipRow], files: dict[str, tuple[Path, Path]], clip: ClipOptions, rounds: int, progress: ProgressBars
) -> list[ClipRow]:
    """Time all clip and stream artifacts of one network in turns, and add the times to their rows."""
    if not files:
        return rows
    frames = list(np.random.default_rng(0).integers(0, 256, (clip.frames, 240, 320, 3), np.uint8))
    turns: dict[str, Turn] = {}
    with one_thread(), progress.stage("timing", rounds) as advance:
        for name, paths in files.items():
            for form, path in zip(("clip", "stream"), paths, strict=True):
                stepper, items = timed_steps(load(path).stream(), frames)
                turns[f"{form} {name}"] = stepping(stepper, items[0], infer)
        samples = interleave(turns, rounds, advance=advance)
    timed = []
    for row in rows:
        name = f"{row.target} {row.precision}"
        if name in files:
            answer = 1000 * float(np.median(samples[f"clip {name}"]))
            steps = ratio(samples[f"clip {name}"], clip.frames * samples[f"stream {name}"])
            row = msgspec.structs.replace(
                row, answer=round(answer, 3), frame=round(answer / (clip.hop or 1), 3), steps=steps
            )
        timed.append(row)
    return timed


COLUMNS = (
    *("network", "target", "precision", "max error", "cosine", "top-1 agrees", "partitions", "transposes", "size"),
    *("ms per answer", "ms per frame", "answer / steps"),
)
LEGEND = (
    "max error: largest logit error, divided by the range of the logits; answer / steps: time of an answer, divided by "
    "that of as many stream steps as the clip has frames"
)


def cells(row: ClipRow) -> tuple[str, ...]:
    """Return the cells of a row, in the order of ``COLUMNS``. A row without an artifact ends with the reason."""
    start = (row.network, row.target, row.precision)
    if row.reason is not None:
        return (*start, *["-"] * 8, row.reason)
    partitions = None if row.graph is None else row.graph.partitions
    counts = ["-" if count is None else str(count) for count in (partitions, row.transposes)]
    times = ["-" if value is None else f"{value:.2f}" for value in (row.answer, row.frame)]
    return (
        *start,
        *parity_cells(row.parity),
        *counts,
        f"{row.size / 1e6:.2f} MB",
        *times,
        "-" if row.steps is None else str(row.steps),
    )


def markdown(result: ClipStudy) -> str:
    """Return the table as Markdown."""
    return markdown_table(COLUMNS, map(cells, result.rows))


if __name__ == "__main__":
    sys.exit(main())
