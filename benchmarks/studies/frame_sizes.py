"""Accuracy and step time by the size of the frame.

    python -m edgeshift.benchmarks.studies.frame_sizes --out runs/sizes [WEIGHTS] [--sizes 96,112,128,160] [--data D]

The weights are fine-tuned for the same number of steps at each size, their own size included, and converted to int8.
Measured are the share of correct answers on gestures drawn from seeds that no training uses (with ``--data``, on
labelled videos as well), what the artifact announces in drawn streams, and the time of its ``Stream.step`` divided by
that at the first size, timed in turns on one thread.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from edgeshift import training
from edgeshift._system.files import atomic_write
from edgeshift._system.progress import ProgressBars
from edgeshift.benchmarks.accuracy.candidate import open_candidate
from edgeshift.benchmarks.statistics import Share, ratio
from edgeshift.benchmarks.studies import events
from edgeshift.benchmarks.studies.artifacts import Artifacts
from edgeshift.benchmarks.studies.command import (
    Data,
    Json,
    LabelMap,
    Out,
    Rounds,
    Weights,
    labelled_videos,
    print_json,
    print_table,
    study,
    weights_or_shipped,
    write_json,
)
from edgeshift.benchmarks.studies.interleave import calling, interleave
from edgeshift.benchmarks.studies.shift_ablation import COLUMNS, Counted, Row, TestClips, kept_row, text_of, values_of
from edgeshift.errors import EdgeshiftError
from edgeshift.training import Recipe
from edgeshift.video.dataset import LabelledClip

RESULTS = "sizes.json"
#: Seed of the drawn streams. The figures of the shipped weights use other streams, because these decide on a size.
SEED = 100
#: File beside an artifact in which its announcements are stored.
ANNOUNCED = "events.json"
#: The highest learning rate. It is low, because the weights only have to adapt to the size.
RATE = 1e-4


class SizeRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One size.

    Attributes:
        size: height and width of the frames, pixels.
        accuracy: test results of the float checkpoint.
        precision, recall: of the int8 artifact's announcements in drawn streams.
        step: time of its step, divided by that of the first size.
    """

    size: int
    accuracy: Row
    precision: Share
    recall: Share
    step: tuple[float, float, float]


@study
def main(
    out: Out,
    weights: Weights = None,
    sizes: Annotated[
        str, typer.Option(metavar="N,N", help="Heights and widths of the frames, pixels.")
    ] = "96,112,128,160",
    steps: Annotated[int, typer.Option(min=1, help="Training steps at each size.")] = 150,
    minutes: Annotated[int, typer.Option(min=1, help="Minutes of drawn streams in which events are counted.")] = 10,
    rounds: Rounds = 60,
    clips: TestClips = 200,
    data: Data = None,
    label_map: LabelMap = None,
    as_json: Json = False,
) -> None:
    """Compare accuracy and step time of the same network at several frame sizes."""
    try:
        pixels = tuple(int(size) for size in sizes.split(","))
    except ValueError as error:
        raise EdgeshiftError(f"--sizes {sizes}: give numbers of pixels, as in 96,128") from error
    rows = compare(
        out,
        weights_or_shipped(weights),
        pixels,
        steps=steps,
        clips=clips,
        minutes=minutes,
        rounds=rounds,
        videos=labelled_videos(data, label_map),
    )
    write_json(rows, out / RESULTS)
    print_json(rows) if as_json else show(rows)


def compare(
    folder: Path,
    weights: Path,
    sizes: tuple[int, ...],
    *,
    steps: int,
    clips: int,
    minutes: int,
    rounds: int,
    videos: tuple[LabelledClip, ...] = (),
) -> list[SizeRow]:
    """Fine-tune, convert and measure at each size. The arguments are those of ``main``.

    Raises:
        EdgeshiftError: an error of training or converting.
    """
    from edgeshift.checkpoints import load_for_streaming

    model = load_for_streaming(weights).config.name
    progress = ProgressBars(live=False)
    accuracies: list[Row] = []
    announced: list[events.Report] = []
    artifacts: list[Path] = []
    for size in sizes:
        recipe = Recipe(model=model, size=size, steps=steps, rate=RATE, settle=1.0, seed=1)
        home = folder / f"{model}_{size}"
        with progress.stage(f"train at {size}", steps) as advance:
            count = Counted(advance)
            result = training.train(recipe, home, init=weights, resume=home.exists(), report=count.report).path
        with progress.stage(f"convert {size}"):
            artifacts.append(Artifacts(home, progress).shipped(load_for_streaming(result), "int8").path)
        with progress.stage(f"measure {size}"):
            accuracies.append(kept_row(result, model, 1, clips, videos))
        announced.append(_announced(artifacts[-1], minutes))
    with progress.stage("time"):
        times = _times(artifacts, rounds)
    return [
        SizeRow(size=size, accuracy=accuracy, precision=report.precision, recall=report.recall, step=step)
        for size, accuracy, report, step in zip(sizes, accuracies, announced, times, strict=True)
    ]


def _announced(artifact: Path, minutes: int) -> events.Report:
    """Events in drawn streams, stored beside the artifact and read from there while nothing has changed."""
    kept = artifact.with_name(ANNOUNCED)
    try:
        report = msgspec.json.decode(kept.read_bytes(), type=events.Report)
    except (OSError, msgspec.DecodeError):
        report = None
    sha = open_candidate(artifact).sha256
    if report is None or (report.sha256, report.streams, report.seed) != (sha, minutes, SEED):
        report = events.measure(artifact, minutes, SEED)
        with atomic_write(kept) as part:
            part.write_bytes(msgspec.json.encode(report))
    return report


def _times(artifacts: list[Path], rounds: int) -> list[tuple[float, float, float]]:
    streams = [open_candidate(path).model.stream() for path in artifacts]
    frame = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    turns = {str(index): calling(partial(stream.step, frame)) for index, stream in enumerate(streams)}
    samples = interleave(turns, rounds)
    return [msgspec.structs.astuple(ratio(samples[name], samples["0"])) for name in turns]


def show(rows: list[SizeRow]) -> None:
    """Print a line for each size."""
    lines = []
    for row in rows:
        value, low, high = row.step
        shares = (row.precision, row.recall, *values_of(row.accuracy))
        lines.append((str(row.size), f"{value:.2f} ({low:.2f} to {high:.2f})", *(text_of(share) for share in shares)))
    print_table(("size", "step, int8", "precision", "recall", *COLUMNS), lines)


if __name__ == "__main__":
    sys.exit(main())
