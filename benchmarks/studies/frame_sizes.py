"""Accuracy and step time by the size of the frame.

    python -m edgeshift.benchmarks.studies.frame_sizes --out runs/sizes [WEIGHTS] [--sizes 96,112,128,160] [--data D]

The weights are fine-tuned for the same number of steps at each size, including the size that they were trained at, and
converted to int8. The study measures the accuracy on gestures drawn from seeds that no training uses (and on labelled
videos, with ``--data``), the events that the artifact announces in drawn streams, and the time of its ``Stream.step``,
divided by the time at the first size. The sizes are timed in turns.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from edgeshift._system.progress import ProgressBars
from edgeshift.benchmarks.accuracy.candidate import open_candidate
from edgeshift.benchmarks.statistics import Interval, Share, ratio
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
    stored_result,
    study,
    weights_or_shipped,
    write_json,
)
from edgeshift.benchmarks.studies.interleave import calling, interleave
from edgeshift.benchmarks.studies.trained_networks import COLUMNS, NetworkRow, TestClips, share_text, stored_row, train
from edgeshift.errors import EdgeshiftError
from edgeshift.training import Recipe

RESULTS = "sizes.json"
#: Seed of the drawn streams. The published figures of the shipped weights use other streams, because these streams are
#: used to choose a size.
SEED = 100
#: File beside an artifact in which its announcements are stored.
ANNOUNCED = "events.json"
#: The highest learning rate. It is low, because the weights only have to adapt to the size.
RATE = 1e-4


class SizeRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The results at one size.

    Attributes:
        size: height and width of the frames, pixels.
        accuracy: test results of the float checkpoint.
        precision, recall: precision and recall of the int8 artifact's announcements in drawn streams.
        step: time of a step of the int8 artifact, divided by that of the first size: median, low and high end.
    """

    size: int
    accuracy: NetworkRow
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
    from edgeshift.checkpoints import load_for_streaming

    try:
        pixels = [int(size) for size in sizes.split(",")]
    except ValueError as error:
        raise EdgeshiftError(f"--sizes {sizes}: give numbers of pixels, as in 96,128") from error
    init, videos = weights_or_shipped(weights), labelled_videos(data, label_map)
    model, progress = load_for_streaming(init).config.name, ProgressBars(live=False)
    accuracies: list[NetworkRow] = []
    artifacts: list[Path] = []
    for size in pixels:
        folder = out / f"{model}_{size}"
        recipe = Recipe(model=model, size=size, steps=steps, rate=RATE, settle=1.0, seed=1)
        checkpoint = train(recipe, folder, init)
        with progress.stage(f"convert {size}"):
            artifacts.append(Artifacts(folder, progress).shipped(load_for_streaming(checkpoint), "int8").path)
        with progress.stage(f"test {size}"):
            accuracies.append(stored_row(checkpoint, model, 1, clips, videos))
    reports = [_events(artifact, minutes) for artifact in artifacts]
    with progress.stage("time"):
        times = _times(artifacts, rounds)
    rows = [
        SizeRow(size=size, accuracy=row, precision=report.precision, recall=report.recall, step=step)
        for size, row, report, step in zip(pixels, accuracies, reports, times, strict=True)
    ]
    write_json(rows, out / RESULTS)
    print_json(rows) if as_json else show(rows)


def _events(artifact: Path, minutes: int) -> events.EventReport:
    """Count events in drawn streams. The report is stored beside the artifact."""
    inputs = open_candidate(artifact).sha256, minutes, SEED
    return stored_result(
        artifact.with_name(ANNOUNCED),
        events.EventReport,
        lambda report: (report.sha256, report.streams, report.seed) == inputs,
        lambda: events.measure(artifact, minutes, SEED),
    )


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
        shares = (row.precision, row.recall, *row.accuracy.shares)
        lines.append((str(row.size), str(Interval(*row.step)), *map(share_text, shares)))
    print_table(("size", "step, int8", "precision", "recall", *COLUMNS), lines)


if __name__ == "__main__":
    sys.exit(main())
