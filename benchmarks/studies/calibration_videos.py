"""Memory and time of an int8 calibration against the number of videos in the folder.

    python -m edgeshift.benchmarks.studies.calibration_videos [--videos N]... [--size N] [--json] [--strict]

Each count is measured in a fresh process: finding the videos, choosing a subset, reading it, and running the float step
over it. The folders hold links to the same few drawn videos. Memory and time are divided by those of the first count,
and both ratios should be at most 1.2 from 128 videos on, because no more than 128 videos are read.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Annotated

import msgspec
import typer

from edgeshift.benchmarks.studies.command import Json, Strict, print_json, print_table, study
from edgeshift.gestures import STROKES
from edgeshift.gestures.folder import Drawing, draw_folder

GOAL = 1.2
#: Number of videos in the folders that are compared.
COUNTS = [128, 1000, 10_000]
#: Number of different videos, to which the folders hold links, and the frames of each.
DRAWN, FRAMES = 32, 12


class Calibrated(msgspec.Struct, frozen=True):
    """One calibration: videos in the folder, samples, seconds and peak memory of the process in bytes."""

    videos: int
    samples: int
    seconds: float
    bytes: int


@study
def main(
    videos: Annotated[list[int], typer.Option(min=16, help="Videos in the folder.")] = COUNTS,
    size: Annotated[int, typer.Option(min=64, max=1024, help="Height and width of the frames, pixels.")] = 112,
    as_json: Json = False,
    strict: Strict = False,
) -> int:
    """Measure how memory and time of an int8 calibration depend on the number of videos."""
    results = measure(videos, size)
    if as_json:
        print_json(results)
    else:
        show(results)
    first = results[0]
    return 1 if strict and any(max(r.seconds / first.seconds, r.bytes / first.bytes) > GOAL for r in results) else 0


def measure(counts: list[int], size: int) -> list[Calibrated]:
    """Calibrate on a folder with each number of videos, each in a fresh process."""
    results = []
    with tempfile.TemporaryDirectory(prefix="edgeshift-") as temporary:
        drawn = Path(temporary, "drawn")
        draw_folder(
            drawn,
            Drawing(kind="clips", count=DRAWN, seed=0, size=size, spacing=0.25, strokes=dict(STROKES), frames=FRAMES),
        )
        sources = sorted(drawn.rglob("*.mp4"))
        for count in counts:
            folder = Path(temporary, str(count))
            folder.mkdir()
            for index in range(count):
                (folder / f"{index:06d}.mp4").symlink_to(sources[index % len(sources)])
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                results.append(pool.submit(calibrate, folder, size).result())
    return results


def calibrate(folder: Path, size: int) -> Calibrated:
    """Calibrate an untrained network on a folder, and return the time and the peak memory of this process."""
    from edgeshift.checkpoints.source import untrained_source
    from edgeshift.converters.calibration import VideoClips, choose_videos
    from edgeshift.converters.pipeline import Options, prepare

    source = untrained_source(size=size)
    begin = perf_counter()
    chosen = choose_videos(folder)
    clips = VideoClips(chosen, source.description.frame, spacing=0.25)
    prepared = prepare(source, Options(calibration=clips, parity=clips.held_out()))
    seconds = perf_counter() - begin
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Calibrated(chosen.total, len(prepared.samples), seconds, kilobytes * 1024)


def show(results: list[Calibrated]) -> None:
    """Print memory and time as ratios to those of the first count."""
    first = results[0]
    rows = [
        (f"{r.videos:,}", str(r.samples), f"{r.seconds / first.seconds:.2f}x", f"{r.bytes / first.bytes:.2f}x")
        for r in results
    ]
    print_table(("videos", "samples", "time", "peak memory"), rows)
    typer.echo(f"{results[0].videos:,} videos: {first.seconds:.1f} s, {first.bytes / 1e6:.0f} MB")


if __name__ == "__main__":
    sys.exit(main())
