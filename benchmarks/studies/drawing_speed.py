"""The speed of drawing gestures on one thread.

python -m edgeshift.benchmarks.studies.drawing_speed [--size N] [--clips N]
"""

from __future__ import annotations

import sys
from time import perf_counter
from typing import Annotated

import typer

from edgeshift.benchmarks.studies.command import study
from edgeshift.gestures import SPACING, draw_clips, draw_stream
from edgeshift.video.fit import opencv

#: Frames of a clip.
FRAMES = 8


@study
def main(
    size: Annotated[int, typer.Option(min=16, max=4096, help="Height and width of the frames, pixels.")] = 128,
    clips: Annotated[int, typer.Option(min=1, help="Clips to draw.")] = 100,
) -> None:
    """Measure how fast gestures are drawn on one thread."""
    opencv("drawing gestures").setNumThreads(1)
    clip_rate, frame_rate = rates(clips, size)
    typer.echo(f"at {size}x{size} on one thread")
    typer.echo(f"draw_clips   {clip_rate:7.1f} clips/s of {FRAMES} frames: {clip_rate * FRAMES:.0f} frames/s")
    typer.echo(f"draw_stream  {frame_rate:7.1f} frames/s")


def rates(count: int, size: int) -> tuple[float, float]:
    """Return the clips per second of ``draw_clips``, and the frames per second of ``draw_stream``."""
    for _ in draw_clips(2, 1, frames=FRAMES, size=size):  # the first use loads modules
        pass
    started = perf_counter()
    for _ in draw_clips(count, frames=FRAMES, size=size):
        pass
    clips = count / (perf_counter() - started)
    started = perf_counter()
    stream = draw_stream(0, seconds=count * FRAMES * SPACING, size=size)
    return clips, len(stream.frames) / (perf_counter() - started)


if __name__ == "__main__":
    sys.exit(main())
