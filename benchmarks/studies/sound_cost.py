"""The cost of hearing on one thread: the new columns and the picture of one hop of sound.

    python -m edgeshift.benchmarks.studies.sound_cost [--hops N] [--json] [--strict]

A stream answers about four times a second, so each hop is 0.25 s of sound. The time is that of feeding the hop to a
``PictureStream`` and making the picture. Both together should take at most 3 ms.
"""

from __future__ import annotations

import sys
from statistics import median
from time import perf_counter
from typing import Annotated

import msgspec
import numpy as np
import typer

from edgeshift.benchmarks.latency.loop import no_collection
from edgeshift.benchmarks.studies.command import Json, Strict, print_json, print_table, study
from edgeshift.sound import PictureStream, SoundSettings
from edgeshift.sound.drawn import draw_soundtrack

HOP = 0.25
#: Milliseconds that the columns and the picture of a hop should take at most.
GOAL = 3.0
#: (samples per second, bands, size of the picture).
CASES = ((16_000, 112, 112), (48_000, 112, 112), (16_000, 224, 224), (48_000, 224, 224))


class Cost(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The cost of one hop, milliseconds.

    Attributes:
        rate: samples per second.
        bands: number of mel bands.
        size: height and width of the picture, pixels.
        columns, picture: median time of the new columns, and of the picture.
        quickest: the shortest time of both together, which other programs disturb least.
    """

    rate: int
    bands: int
    size: int
    columns: float
    picture: float
    quickest: float


@study
def main(
    hops: Annotated[int, typer.Option(min=1, max=100_000, help="Hops to time for each case.")] = 200,
    as_json: Json = False,
    strict: Strict = False,
) -> int:
    """Measure the time that a hop of 0.25 s of sound takes."""
    costs = [measure(*case, hops) for case in CASES]
    if as_json:
        print_json(costs)
    else:
        rows = [
            (
                f"{cost.rate:,} Hz, {cost.bands} bands, {cost.size}x{cost.size}",
                *(f"{milliseconds:.2f}" for milliseconds in (cost.columns, cost.picture, cost.quickest)),
            )
            for cost in costs
        ]
        print_table(("sound", "columns, ms", "picture, ms", "quickest of both, ms"), rows)
        typer.echo(f"goal: columns and picture of a hop take at most {GOAL:g} ms")
    return 1 if strict and any(cost.columns + cost.picture > GOAL for cost in costs) else 0


def measure(rate: int, bands: int, size: int, hops: int) -> Cost:
    """Return the cost of a hop of drawn sound."""
    stream = PictureStream(SoundSettings(seconds=2.0, frames=8, bands=bands), rate, size)
    samples = draw_soundtrack(0, seconds=10.0, rate=rate).samples
    pieces = np.array_split(samples, round(10 / HOP))
    times = []
    while stream.missing:  # the first pictures also compute filters and weights, which are kept
        stream.feed(pieces[0])
    stream.picture()
    with no_collection():
        for index in range(hops):
            begin = perf_counter()
            stream.feed(pieces[index % len(pieces)])
            middle = perf_counter()
            stream.picture()
            times.append((middle - begin, perf_counter() - middle))
    columns, pictures = zip(*times, strict=True)
    quickest = min(both[0] + both[1] for both in times)
    first, second, third = (round(1000 * value, 3) for value in (median(columns), median(pictures), quickest))
    return Cost(rate=rate, bands=bands, size=size, columns=first, picture=second, quickest=third)


if __name__ == "__main__":
    sys.exit(main())
