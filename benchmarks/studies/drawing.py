"""How fast gestures are drawn, on one thread.

python -m edgeshift.benchmarks.studies.drawing [--size N] [--clips N]
"""

from __future__ import annotations

import argparse
import sys
from time import perf_counter

from edgeshift.gestures import SPACING, draw_clips, draw_stream
from edgeshift.video.fit import opencv

#: Of a clip.
FRAMES = 8


def main(arguments: list[str] | None = None) -> int:
    """Draw clips, then one stream of as many frames, and print clips and frames a second."""
    parser = argparse.ArgumentParser(description="How fast gestures are drawn, on one thread.")
    parser.add_argument("--size", type=int, default=128, help="pixels a side (default: 128)")
    parser.add_argument("--clips", type=int, default=100, help="how many (default: 100)")
    options = parser.parse_args(arguments)
    if not 16 <= options.size <= 4096 or options.clips < 1:
        parser.error("give a size of 16 to 4096 and at least one clip")
    opencv("drawing gestures").setNumThreads(1)
    clips, frames = rates(options.clips, options.size)
    print(f"at {options.size}x{options.size} on one thread")
    print(f"draw_clips   {clips:7.1f} clips/s of {FRAMES} frames: {clips * FRAMES:.0f} frames/s")
    print(f"draw_stream  {frames:7.1f} frames/s")
    return 0


def rates(count: int, size: int) -> tuple[float, float]:
    """Clips a second of ``draw_clips``, and frames a second of ``draw_stream``."""
    for _ in draw_clips(2, 1, frames=FRAMES, size=size):  # what is loaded when it is first used
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
