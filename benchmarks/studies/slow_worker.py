"""The worker of ``edgeshift bench`` with every step slowed down by a known share, which imitates a slower build.

    python -m edgeshift.benchmarks.studies.slow_worker SHARE COMMAND...

After each step the process waits in a loop for SHARE times the time of the step: with 0.1, a step takes 10% longer.
"""

from __future__ import annotations

import sys
from time import perf_counter
from typing import Any

from edgeshift.benchmarks.latency import worker
from edgeshift.stream import Stream


def main(arguments: list[str] | None = None) -> int:
    """Slow down every stream of this process, then run the worker's command."""
    share, *command = sys.argv[1:] if arguments is None else arguments
    slow_down(float(share))
    return worker.main(command)


def slow_down(share: float) -> None:
    """Make every step of this process take ``1 + share`` times as long."""
    step = Stream.step

    def slowed(self: Stream, *arguments: Any) -> Any:
        begin = perf_counter()
        answer = step(self, *arguments)
        end = begin + (perf_counter() - begin) * (1 + share)
        while perf_counter() < end:
            pass
        return answer

    setattr(Stream, "step", slowed)  # noqa: B010 - replaces the method in this process only


if __name__ == "__main__":
    sys.exit(main())
