"""Parse the output of the runtime vendors' own benchmark programs, in the formats of older and newer versions.

    benchmark_model   of TensorFlow Lite and LiteRT: statistics of the warm-up and of the run, and one line at the end
    executor_runner   of ExecuTorch: one line at the end, and in newer versions one line per execution

Both print to the terminal or to Android's log, with different prefixes, so patterns are searched anywhere in a line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from edgeshift.errors import DeviceError

_PAIR = re.compile(r"(\w+)=([-+.\w]+)")
#: A line of statistics. Lines of the program's profiler have other words before "count=" and do not match.
_COUNT = re.compile(r"(?:^|INFO: |\btflite\s*: )(count=\d.*)$")
_TIMINGS = re.compile(r"nference timings in us: (.*)$")
_ITERATION = re.compile(r"\bIteration (\d+) of (\d+): ([-+.\w]+) ms")
_EXECUTED = re.compile(r"\bModel executed successfully (\d+) time\(s\) in ([-+.\w]+) ms")
_LOADED = re.compile(r"\bModel loaded in ([-+.\w]+) ms")
#: {name in a line of statistics: name in a report}.
_NAMES = {"min": "min", "p5": "p5", "median": "p50", "p95": "p95", "max": "max", "std": "std"}
#: Microseconds of eleven days. A larger number is not a time.
_MAX = 1e12


class VendorTimes(NamedTuple):
    """The times that a program reports for one run, microseconds; None or empty: not reported.

    Attributes:
        load, first: time to load and prepare the artifact, and of the first execution.
        warmup: number of executions before the timed ones.
        warmup_time: median time of an execution of the warm-up, or the mean if no median is reported.
        runs, figures: number of timed executions, and their statistics by name; "mean" is always among them.
        samples: time of every execution, in order.
    """

    load: float | None
    first: float | None
    warmup: int
    warmup_time: float | None
    runs: int
    figures: dict[str, float]
    samples: tuple[float, ...] = ()


def parse_benchmark_model(output: str) -> VendorTimes:
    """Parse the output of TensorFlow Lite's ``benchmark_model``.

    Raises:
        DeviceError: the output has no result; the message quotes its last line.
    """
    lines = output.splitlines()
    matches = ((index, match) for index, line in enumerate(lines) if (match := _TIMINGS.search(line)))
    end, timings = next(matches, (0, None))
    if timings is None:
        raise _no_result("benchmark_model", lines)
    times = dict(part.partition(": ")[::2] for part in timings[1].split(", "))
    statistics = [_statistics(match[1]) for line in lines[:end] if (match := _COUNT.search(line.rstrip()))]
    warmup, run = ({}, *statistics)[-2:] if statistics else ({}, {})
    # Until 2019 the last line was "Average inference timings in us: Warmup: 1, Init: 2, no stats: 3".
    mean = _find(times, "Inference (avg)", "Inference", "no stats")
    if mean is None or not run.get("count"):
        raise _no_result("benchmark_model", lines)
    return VendorTimes(
        load=_find(times, "Init"),
        first=_find(times, "First inference") or warmup.get("first") or warmup.get("curr"),
        warmup=int(warmup.get("count", 0)),
        warmup_time=warmup.get("median") or _find(times, "Warmup (avg)", "Warmup"),
        runs=int(run["count"]),
        figures={"mean": mean} | {name: run[printed] for printed, name in _NAMES.items() if printed in run},
    )


def parse_executor_runner(output: str) -> VendorTimes:
    """Parse the output of ExecuTorch's ``executor_runner``. It has no warm-up: all executions are timed.

    Raises:
        DeviceError: the output has no result, or comes from a version that reports no times.
    """
    lines = output.splitlines()
    executed = next((match for line in lines if (match := _EXECUTED.search(line))), None)
    total = _number(executed[2]) if executed else None
    if executed is None or total is None or not 0 < int(executed[1]) < _MAX:
        if "Model executed successfully" in output:
            raise DeviceError("this executor_runner does not report how long executions took: build a newer one")
        raise _no_result("executor_runner", lines)
    count = int(executed[1])
    times = {int(match[1]): _number(match[3]) for line in lines if (match := _ITERATION.search(line))}
    complete = [times.get(index) for index in range(1, count + 1)] if len(times) == count else []
    # Android's log drops its oldest lines, and the remaining ones would not be a fair sample.
    samples = () if None in complete else tuple(round(time * 1e3, 3) for time in complete if time is not None)
    loaded = next((match for line in lines if (match := _LOADED.search(line))), None)
    load = _number(loaded[1]) if loaded else None
    return VendorTimes(
        load=None if load is None else load * 1e3,
        first=samples[0] if samples else total * 1e3 if count == 1 else None,
        warmup=0,
        warmup_time=None,
        runs=count,
        figures={"mean": total * 1e3 / count},
        samples=samples,
    )


def _statistics(text: str) -> dict[str, float]:
    """Parse ``count=50 first=3 curr=2 min=1 ...``, or ``count=50 curr=2(all same)`` if all values are equal."""
    pairs = {name: _number(value) for name, value in _PAIR.findall(text)}
    return {name: value for name, value in pairs.items() if value is not None}


def _find(times: dict[str, str], *names: str) -> float | None:
    return next((_number(times[name]) for name in names if name in times), None)


def _number(text: str) -> float | None:
    """Return the number in a text; None: the text is not a number, or the number cannot be a time."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value < _MAX else None


def _no_result(program: str, lines: Sequence[str]) -> DeviceError:
    printed = [line.strip() for line in lines if line.strip()]
    last = f"its last line: {printed[-1][:200]}" if printed else "it printed nothing"
    return DeviceError(f"{program} ended without a result that edgeshift can read; {last}")
