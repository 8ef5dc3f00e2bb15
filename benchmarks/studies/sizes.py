"""How large a frame should be: accuracy against the time of a step.

    python -m edgeshift.benchmarks.studies.sizes --out runs/sizes [WEIGHTS] [--sizes 96,112,128,160] [--data split.csv]

The same weights are trained on for the same number of steps at each size, the one they come from included, converted
to int8, and measured: the share of right answers on gestures drawn from seeds that nothing was trained on (and on
labelled videos, with ``--data``), what the artifact announces in drawn streams, and the time of its ``Stream.step``
over that at the first size, in turns, on one thread.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edgeshift._system.files import atomic_write
from edgeshift.benchmarks.accuracy import open_subject
from edgeshift.benchmarks.statistics import Interval, Share, ratio
from edgeshift.benchmarks.studies import events
from edgeshift.benchmarks.studies.artifacts import Artifacts
from edgeshift.benchmarks.studies.interleave import calling, interleave
from edgeshift.benchmarks.studies.notice import Notice
from edgeshift.benchmarks.studies.options import run
from edgeshift.benchmarks.studies.shift_ablation import (
    Counted,
    Row,
    add_measuring,
    deliver,
    kept_row,
    text_of,
    values_of,
    videos_of,
)
from edgeshift.checkpoints.source import DEFAULT_MODEL, checkpoint_source
from edgeshift.errors import EdgeshiftError
from edgeshift.training import Recipe, train
from edgeshift.video.dataset import LabelledClip
from edgeshift.weights import shipped

if TYPE_CHECKING:
    from rich.console import Console

RESULTS = "sizes.json"
#: Of the drawn streams: not those that figures of shipped weights are taken on, as a size is chosen by these.
SEED = 100
#: What an artifact announced, beside it.
ANNOUNCED = "events.json"
#: The highest learning rate: the weights know the gestures, and have to get used to the size.
RATE = 1e-4


class SizeRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One size.

    Attributes:
        accuracy: of the float checkpoint. precision, recall: of what the int8 artifact announces in drawn streams.
        step: time of its step over that of the first size.
    """

    size: int
    accuracy: Row
    precision: Share
    recall: Share
    step: Interval


def main(arguments: list[str] | None = None) -> int:
    """Run it and print it."""
    parser = argparse.ArgumentParser(description="Accuracy against the time of a step, by the size of the frame.")
    parser.add_argument("weights", type=Path, nargs="?", metavar="WEIGHTS", help="default: those that ship")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder for the runs and the results")
    parser.add_argument("--sizes", default="96,112,128,160", help="pixels a side (default: 96,112,128,160)")
    parser.add_argument("--steps", type=int, default=150, help="of training at each size (default: 150)")
    parser.add_argument("--minutes", type=int, default=10, help="of drawn streams for events (default: 10)")
    parser.add_argument("--rounds", type=int, default=60, help="of timing (default: 60)")
    add_measuring(parser)
    settings = parser.parse_args(arguments)

    def work() -> int:
        try:
            sizes = tuple(int(size) for size in settings.sizes.split(","))
        except ValueError as error:
            raise EdgeshiftError(f"--sizes {settings.sizes}: give pixels a side, as in 96,128") from error
        weights = settings.weights or shipped(DEFAULT_MODEL)
        if weights is None:
            raise EdgeshiftError("no weights ship with this edgeshift: name a checkpoint")
        rows = compare(
            settings.out,
            weights,
            sizes,
            steps=settings.steps,
            clips=settings.clips,
            minutes=settings.minutes,
            rounds=settings.rounds,
            videos=videos_of(settings.data, settings.label_map),
        )
        deliver(rows, settings.out / RESULTS, show, json=settings.json)
        return 0

    return run(work)


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
    """Train on, convert, measure. Arguments as in ``main``; errors are those of training and converting."""
    from edgeshift.checkpoints import load_for_streaming

    model = load_for_streaming(weights).config.name
    notice = Notice()
    accuracies: list[Row] = []
    announced: list[events.Report] = []
    artifacts: list[Path] = []
    for size in sizes:
        recipe = Recipe(model=model, size=size, steps=steps, rate=RATE, settle=1.0, seed=1)
        home = folder / f"{model}_{size}"
        with notice.stage(f"train at {size}", steps) as advance:
            count = Counted(advance)
            result = train(recipe, home, init=weights, resume=home.exists(), report=count.report).path
        with notice.stage(f"convert {size}"):
            artifacts.append(Artifacts(home, notice).shipped(checkpoint_source(result), "int8").path)
        with notice.stage(f"measure {size}"):
            accuracies.append(kept_row(result, model, 1, clips, videos))
        announced.append(_announced(artifacts[-1], minutes))
    with notice.stage("time"):
        times = _times(artifacts, rounds)
    return [
        SizeRow(size=size, accuracy=accuracy, precision=report.precision, recall=report.recall, step=interval)
        for size, accuracy, report, interval in zip(sizes, accuracies, announced, times, strict=True)
    ]


def _announced(artifact: Path, minutes: int) -> events.Report:
    """What is announced in drawn streams, measured once and kept beside the artifact while nothing has changed."""
    kept = artifact.with_name(ANNOUNCED)
    try:
        report = msgspec.json.decode(kept.read_bytes(), type=events.Report)
    except (OSError, msgspec.DecodeError):
        report = None
    sha = open_subject(artifact).sha256
    if report is None or (report.sha256, report.streams, report.seed) != (sha, minutes, SEED):
        report = events.measure(artifact, minutes, SEED)
        with atomic_write(kept) as part:
            part.write_bytes(msgspec.json.encode(report))
    return report


def _times(artifacts: list[Path], rounds: int) -> list[Interval]:
    streams = [open_subject(path).model.stream() for path in artifacts]
    frame = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    turns = {str(index): calling(partial(stream.step, frame)) for index, stream in enumerate(streams)}
    samples = interleave(turns, rounds)
    return [ratio(samples[name], samples["0"]) for name in turns]


def show(rows: list[SizeRow], console: Console) -> None:
    """A line for each size."""
    from rich.table import Table

    table = Table(
        "size", "step, int8", "precision", "recall", "drawn", "drawn, 4 directions", "videos", "videos, 4 directions"
    )
    for row in rows:
        value, low, high = row.step
        shares = (row.precision, row.recall, *values_of(row.accuracy))
        table.add_row(str(row.size), f"{value:.2f} ({low:.2f} to {high:.2f})", *(text_of(share) for share in shares))
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
