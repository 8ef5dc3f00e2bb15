"""Time several candidates against each other in one process, in turns.

    round 1   a b c      round 2   c a b      round 3   b c a   ...

The ratio of two times that were measured minutes apart depends on other programs and on the clock rate as much as on
the code. Here every candidate gets one turn in each round, in a random order, and the ratio is computed within the
round, so that a slow phase of the machine affects both times. The result is the median over rounds with a bootstrap
interval. Absolute times are never compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TypeVar

import numpy as np

from edgeshift._system.quiet import quiet
from edgeshift.benchmarks.latency.loop import no_collection
from edgeshift.benchmarks.latency.steps import Stepper
from edgeshift.benchmarks.statistics import Floats
from edgeshift.errors import EdgeshiftError
from edgeshift.stream import Timings

Item = TypeVar("Item")
#: One turn: runs a candidate several times and returns the seconds of one run.
Turn = Callable[[], float]
#: {name of a candidate: seconds of each round, [rounds]}.
Samples = dict[str, Floats]

#: Number of timed runs of a turn, and number of rounds that are not counted.
INNER, WARMUP = 5, 3


def median_turn(run: Callable[[], float], inner: int = INNER) -> Turn:
    """Return a turn that takes the median of ``inner`` runs; a sum would include interruptions by other programs.

    The turn starts with one uncounted run, because the previous candidate has filled the caches with other data.
    """

    def turn() -> float:
        run()
        return float(np.median([run() for _ in range(inner)]))

    return turn


def calling(call: Callable[[], object], inner: int = INNER, clock: Callable[[], float] = perf_counter) -> Turn:
    """Return a turn that times a call."""

    def run() -> float:
        start = clock()
        call()
        return clock() - start

    return median_turn(run, inner)


def stepping(
    stream: Stepper[Item],
    frame: Item,
    part: Callable[[float, Timings], float],
    inner: int = INNER,
    clock: Callable[[], float] = perf_counter,
) -> Turn:
    """Return a turn that times a part of ``Stream.step``, or of an answer of a clip artifact.

    Args:
        stream: the stream to step, as ``timed_steps`` returns it.
        frame: the frame of every step, or the frames of every answer.
        part: returns the seconds to record, given the seconds of the whole call and the ``Timings`` of its prediction.
        inner: number of steps whose median is taken.
        clock: returns the time in seconds.
    """

    def run() -> float:
        start = clock()
        prediction = stream.step(frame)
        return part(clock() - start, prediction.timings)

    with quiet():
        stream.step(frame)  # LiteRT initialises a buffer, and logs, when the buffer is first written
    return median_turn(run, inner)


def infer(_call: float, timings: Timings) -> float:
    """Return the seconds that the runtime takes for a step."""
    return timings.infer


def interleave(
    turns: Mapping[str, Turn],
    rounds: int,
    *,
    warmup: int = WARMUP,
    seed: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> Samples:
    """Run all turns, round after round, with Python's garbage collector off.

    Args:
        turns: {name of a candidate: its turn}.
        rounds: number of rounds that count.
        warmup: number of earlier rounds that do not count.
        seed: seed of the random orders.
        advance: called after every round that counts.

    Raises:
        EdgeshiftError: there are no turns, or no rounds.
    """
    if not turns or rounds < 1:
        raise EdgeshiftError(f"cannot time {len(turns)} candidates in {rounds} rounds: give one or more of each")
    names = list(turns)
    random = np.random.default_rng(seed)
    samples = {name: np.empty(rounds) for name in names}
    with no_collection():
        for _ in range(warmup):
            for name in names:
                turns[name]()
        for index in range(rounds):
            for at in random.permutation(len(names)):
                samples[names[at]][index] = turns[names[at]]()
            advance()
    return samples
