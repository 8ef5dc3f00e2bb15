"""Timing several things against each other in one process, in turns.

    round 1   a b c      round 2   c a b      round 3   b c a   ...

A ratio of two times taken minutes apart measures the neighbours and the clock as much as the code. Here every round
gives each thing one turn, in an order drawn anew, and the ratio is formed inside the round: what slows the machine
down for a while slows both sides. Reported is the median over rounds with a bootstrap interval; absolute times are
never compared with anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter

import numpy as np

from edgeshift.benchmarks.latency.loop import no_collection
from edgeshift.benchmarks.statistics import Seconds
from edgeshift.errors import EdgeshiftError

#: One turn: does the work some times and returns the seconds of one.
Turn = Callable[[], float]
#: {name: seconds}; element i of every array belongs to the same round.
Samples = dict[str, Seconds]

#: Timed calls of a turn, after one that is not timed: the turn before has filled the caches with other things.
INNER = 5
WARMUP = 3


def calling(call: Callable[[], object], inner: int = INNER, clock: Callable[[], float] = perf_counter) -> Turn:
    """The turn of a plain callable: the median of ``inner`` calls, timed one by one.

    The median, not the sum: a call during which the system ran something else is not the callable's time.
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
    """Give everything its turn, round after round. Garbage is not collected meanwhile.

    Args:
        turns: what to time.
        rounds: that count. warmup: rounds before them, which do not.
        seed: of the orders.
        advance: called after every round that counts.

    Raises:
        EdgeshiftError: nothing to time, or no rounds.
    """
    if not turns or rounds < 1:
        raise EdgeshiftError(f"timing needs something to time and a round or more, not {len(turns)} in {rounds} rounds")
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
