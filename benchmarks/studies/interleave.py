"""Timing several candidates against each other in one process, in turns.

    round 1   a b c      round 2   c a b      round 3   b c a   ...

The ratio of two times that were taken minutes apart depends on other programs and on the clock rate as much as on the
code. Here every candidate gets one turn in each round, in a random order, and the ratio is computed within the round:
whatever slows the machine down for a while slows both sides. Reported is the median over rounds with a bootstrap
interval. Absolute times are never compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter

import numpy as np

from edgeshift.benchmarks.latency.loop import no_collection
from edgeshift.benchmarks.statistics import Floats
from edgeshift.errors import EdgeshiftError

#: One turn: runs a candidate several times and returns the seconds of one run.
Turn = Callable[[], float]
#: {name: seconds}; element i of every array belongs to the same round.
Samples = dict[str, Floats]

#: Timed calls of a turn. One call before them is not timed: the turn before has filled the caches with other data.
INNER = 5
WARMUP = 3


def calling(call: Callable[[], object], inner: int = INNER, clock: Callable[[], float] = perf_counter) -> Turn:
    """A turn that returns the median of ``inner`` calls, timed one by one.

    A sum would include calls during which the system ran other programs.
    """

    def turn() -> float:
        call()
        times = []
        for _ in range(inner):
            start = clock()
            call()
            times.append(clock() - start)
        return float(np.median(times))

    return turn


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
        turns: {name: turn}.
        rounds: rounds that count.
        warmup: rounds before them that do not count.
        seed: the seed of the random orders.
        advance: called after every round that counts.

    Raises:
        EdgeshiftError: no turns, or no rounds.
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
