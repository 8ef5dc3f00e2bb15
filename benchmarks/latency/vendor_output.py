"""What the runtime vendors' own programs print, as figures. Pure functions; formats of several years are read.

    benchmark_model   TensorFlow Lite's and LiteRT's: statistics of the warm-up and of the run, and one line at the end
    executor_runner   ExecuTorch's: one line at the end, and in newer versions one for each execution

Both print to the terminal, or Android's log, with prefixes that differ: lines are searched, not matched.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from edgeshift.errors import DeviceError

_PAIR = re.compile(r"(\w+)=([-+.\w]+)")
#: A line of statistics; those of its profiler carry words before them.
_COUNT = re.compile(r"(?:^|INFO: |\btflite\s*: )(count=\d.*)$")
_TIMINGS = re.compile(r"nference timings in us: (.*)$")
_ITERATION = re.compile(r"\bIteration (\d+) of (\d+): ([-+.\w]+) ms")
_EXECUTED = re.compile(r"\bModel executed successfully (\d+) time\(s\) in ([-+.\w]+) ms")
_LOADED = re.compile(r"\bModel loaded in ([-+.\w]+) ms")
#: {a name in a line of statistics: its name in a report}.
_NAMES = {
    "min": "min",
    "p5": "p5",
    "median": "p50",
    "p95": "p95",
    "max": "max",
    "std": "std",
}
#: Microseconds of eleven days; what is above is no figure.
_MOST = 1e12


class Told(NamedTuple):
    """What a program told of one run. Times are microseconds; None or empty: it does not tell.

    Attributes:
        load: to load and prepare. first: of the first execution. warmup: executions before the timed ones.
        usual: of an execution of the warm-up: its median, or its mean. runs: timed executions.
        figures: of a timed execution, by name: "mean", and what else there is. samples: every execution, in order.
    """

    load: float | None
    first: float | None
    warmup: int
    usual: float | None
    runs: int
    figures: dict[str, float]
    samples: tuple[float, ...] = ()


def parse_benchmark_model(text: str) -> Told:
    """What TFLite's ``benchmark_model`` prints.

    Raises:
        DeviceError: it is something else; the line quotes the end of it.
    """
    lines = text.splitlines()
    end = next((index for index, line in enumerate(lines) if _TIMINGS.search(line)), None)
    if end is None:
        raise _not_understood("benchmark_model", lines)
    said = dict(part.partition(": ")[::2] for part in _after(_TIMINGS, lines[end]).split(", "))
    statistics = [_statistics(match[1]) for line in lines[:end] if (match := _COUNT.search(line.rstrip()))]
    warm, run = ({}, *statistics)[-2:] if statistics else ({}, {})
    # Until 2019 the last line was "Average inference timings in us: Warmup: 1, Init: 2, no stats: 3".
    mean = _number(said, "Inference (avg)", "Inference", "no stats")
    if mean is None or not run.get("count"):
        raise _not_understood("benchmark_model", lines)
    figures = {"mean": mean} | {ours: run[name] for name, ours in _NAMES.items() if name in run}
    return Told(
        load=_number(said, "Init"),
        first=_number(said, "First inference") or warm.get("first") or warm.get("curr"),
        warmup=int(warm.get("count", 0)),
        usual=warm.get("median") or _number(said, "Warmup (avg)", "Warmup"),
        runs=int(run["count"]),
        figures=figures,
    )


def parse_executor_runner(text: str) -> Told:
    """What ExecuTorch's ``executor_runner`` prints. It has no warm-up: all executions are timed ones.

    Raises:
        DeviceError: it is something else, or a version that tells no times; the line quotes the end of it.
    """
    lines = text.splitlines()
    executed = next((match for line in lines if (match := _EXECUTED.search(line))), None)
    total = _checked(executed[2]) if executed else None
    if executed is None or total is None or not 0 < int(executed[1]) < _MOST:
        if "Model executed successfully" in text:
            raise DeviceError("this executor_runner does not tell how long executions took: build a newer one")
        raise _not_understood("executor_runner", lines)
    count = int(executed[1])
    found = {int(match[1]): _checked(match[3]) for line in lines if (match := _ITERATION.search(line))}
    known = [found.get(index) for index in range(1, count + 1)] if len(found) == count else []
    # Android's log forgets its oldest lines: some executions are no sample of all of them.
    samples = tuple(round(value * 1e3, 3) for value in known if value is not None) if None not in known else ()
    loaded = next((match for line in lines if (match := _LOADED.search(line))), None)
    load = _checked(loaded[1]) if loaded else None
    return Told(
        load=load * 1e3 if load is not None else None,
        first=samples[0] if samples else total * 1e3 if count == 1 else None,
        warmup=0,
        usual=None,
        runs=count,
        figures={"mean": total * 1e3 / count},
        samples=samples,
    )


def _statistics(text: str) -> dict[str, float]:
    """``count=50 first=3 curr=2 min=1 ...``; of values that are all one, ``count=50 curr=2(all same)``."""
    pairs = {name: _checked(value) for name, value in _PAIR.findall(text)}
    return {name: value for name, value in pairs.items() if value is not None}


def _number(said: dict[str, str], *names: str) -> float | None:
    return next((_checked(said[name]) for name in names if name in said), None)


def _checked(text: str) -> float | None:
    """A figure, which is finite and not negative; None: it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value < _MOST else None


def _after(pattern: re.Pattern[str], line: str) -> str:
    match = pattern.search(line)
    assert match is not None
    return match[1]


def _not_understood(program: str, lines: Sequence[str]) -> DeviceError:
    said = [line.strip() for line in lines if line.strip()]
    last = f"its last line: {said[-1][:200]}" if said else "it says nothing"
    return DeviceError(f"{program} ended without a result that is understood; {last}")
