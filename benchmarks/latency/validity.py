"""Decide whether a measurement is valid. Each flag is True, False, or None if the device does not report enough.

A flag that is None is reported, but does not make a measurement invalid: virtual machines report no temperatures.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from edgeshift.benchmarks.latency.mode import MODES
from edgeshift.benchmarks.latency.result import ArtifactResult, Repeat, SensorReading, Settings
from edgeshift.stream.percentiles import percentile

#: A clock is stable if its values at the ends of the repeats differ by less than this, relative to the highest.
CLOCK_TOLERANCE = 0.10
#: A repeat is disturbed if other processes used more than this share of the CPU time while its steps were timed. On an
#: idle machine of two cores they used at most 1%; one busy process per core used about half.
MAX_COMPETING = 0.10
#: The tail of a repeat is too long if its p90 is more than this times its p50. On an idle machine the ratio was 1.1.
MAX_TAIL = 2.0
#: The coarsest resolution of a clock that any browser has, microseconds.
COARSEST_CLOCK = 1000.0
#: End of a throttling reason that describes the past and not the present.
PAST = "since it started"


class Validity(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of one measurement.

    Attributes:
        min_duration_met, min_steps_met: every repeat has the minimum seconds, and the minimum steps, of its mode.
        warm: the latency had settled in every repeat when timing began.
        thermal_ok: the device was never above the maximum temperature and did not throttle.
        clocks_stable: the clocks at the ends of the repeats differ by less than ``CLOCK_TOLERANCE``.
        undisturbed: in no repeat did other processes use more than ``MAX_COMPETING`` of the CPU time.
        tail_ok: in every repeat, p90 is at most ``MAX_TAIL`` times p50; see ``tail``.
        checked: the artifact's self-check passed on the device.
        enough_repeats: there are at least as many repeats as the mode needs.
        valid: no flag is False.
        reasons: {flag: why it is not True}.
    """

    min_duration_met: bool | None
    min_steps_met: bool | None
    warm: bool | None
    thermal_ok: bool | None
    clocks_stable: bool | None
    undisturbed: bool | None
    tail_ok: bool | None
    checked: bool | None
    enough_repeats: bool | None
    valid: bool
    reasons: dict[str, str]

    @property
    def flags(self) -> dict[str, bool | None]:
        """{name: flag}, in order."""
        return {name: getattr(self, name) for name in FLAGS}

    @property
    def failures(self) -> tuple[str, ...]:
        """Why the measurement is not valid."""
        return tuple(self.reasons[name] for name, flag in self.flags.items() if flag is False)

    @property
    def unknown(self) -> tuple[str, ...]:
        """What could not be checked, and why."""
        return tuple(self.reasons[name] for name, flag in self.flags.items() if flag is None)


FLAGS = tuple(name for name in Validity.__struct_fields__ if name not in ("valid", "reasons"))
#: A flag, and the reason why it is not True.
Flag = tuple[bool | None, str]


def check_validity(artifact: ArtifactResult, settings: Settings, governors: Sequence[str]) -> Validity:
    """Return the flags of one artifact. ``governors`` are the device's frequency governors, as in ``Facts``."""
    repeats, needed = artifact.repeats, MODES[settings.mode].repeats
    cold = sum(not repeat.warm for repeat in repeats)
    enough = f"mode {settings.mode} needs {needed} repeats, each a fresh process, and there are {len(repeats)}"
    checks: dict[str, Flag] = {
        "min_duration_met": _min_duration(repeats, settings),
        "min_steps_met": _min_steps(repeats, settings),
        "warm": (bool(repeats) and not cold, f"the latency had not settled in {cold} of {len(repeats)} repeats"),
        "thermal_ok": _thermal(repeats, settings),
        "clocks_stable": _clocks(repeats, settings, governors),
        "undisturbed": _undisturbed(repeats),
        "tail_ok": _tail_ok(repeats, settings),
        "checked": _checked(repeats),
        "enough_repeats": (len(repeats) >= needed, enough),
    }
    reasons = {name: reason for name, (flag, reason) in checks.items() if flag is not True}
    flags = {name: flag for name, (flag, _) in checks.items()}
    return Validity(**flags, valid=False not in flags.values(), reasons=reasons)


def new_throttling(before: SensorReading, *later: SensorReading) -> tuple[str, ...] | None:
    """Return why the device throttled between a reading and later ones; empty: it did not; None: not reported.

    A device that throttled already at the first reading counts, because it ran throttled. A reason that describes the
    past ("... since it started") counts only if the first reading does not have it.
    """
    if before.throttled is None or all(reading.throttled is None for reading in later):
        return None
    reasons = [reason for reading in later for reason in reading.throttled or ()]
    past = {reason for reason in before.throttled if reason.endswith(PAST)}
    return tuple(dict.fromkeys(reason for reason in reasons if reason not in past))


def _min_duration(repeats: Sequence[Repeat], settings: Settings) -> Flag:
    if not repeats:
        return False, "nothing was measured"
    if settings.mode == "sustained":
        needed_minutes = settings.minutes or 1
        minutes = min(len(repeat.minutes) for repeat in repeats)
        return minutes >= needed_minutes, f"a repeat has {minutes} of the {needed_minutes} minutes that were requested"
    needed = max(settings.seconds, MODES[settings.mode].seconds)
    seconds = min(repeat.seconds for repeat in repeats)
    return seconds >= needed, f"a repeat lasted {seconds:.1f} s, and mode {settings.mode} needs {needed:g} s"


def _min_steps(repeats: Sequence[Repeat], settings: Settings) -> Flag:
    steps = min((len(repeat.end_to_end) for repeat in repeats), default=0)
    if not steps and any(repeat.reported for repeat in repeats):
        return False, "no samples: a vendor's program reports only its own figures"
    needed = max(settings.steps, MODES[settings.mode].steps)
    return steps >= needed, f"a repeat has {steps:,} steps, and mode {settings.mode} needs {needed:,}"


def _thermal(repeats: Sequence[Repeat], settings: Settings) -> Flag:
    # A sustained run measures the effect of heat, so the device has to be cool only at its start.
    sustained = settings.mode == "sustained"
    readings = [repeat.before for repeat in repeats] + ([] if sustained else [repeat.after for repeat in repeats])
    hottest = max(((degrees, name) for r in readings for name, degrees in r.temperatures.items()), default=None)
    if hottest and hottest[0] > settings.max_temperature:
        return False, f"{hottest[1]} was at {hottest[0]:.1f} C, above the maximum of {settings.max_temperature:g} C"
    throttling = [new_throttling(repeat.before, repeat.after) for repeat in repeats]
    reasons = dict.fromkeys(reason for new in throttling for reason in new or ())
    if reasons and not sustained:
        return False, f"the device throttled: {', '.join(reasons)}"
    if hottest is None and all(new is None for new in throttling):
        return None, "the device reports neither its temperature nor whether it throttles"
    return True, ""


def _clocks(repeats: Sequence[Repeat], settings: Settings, governors: Sequence[str]) -> Flag:
    if settings.mode == "sustained":
        return None, "clocks are not compared in a sustained run, because heat may lower them"
    # Only readings after repeats are used: before a repeat, the cores are idle and may have any clock.
    clocks = [_busy_clocks(repeat, settings) for repeat in repeats]
    if not governors or not all(clocks):
        return None, f"the device does not report its {'clocks' if governors else 'frequency governor'}"
    if len(clocks) < 2:
        return None, "stability of clocks needs two repeats or more"
    cores = [core for core in clocks[0] if all(core in clock for clock in clocks)]
    changes = {core: 1 - min(clock[core] for clock in clocks) / max(clock[core] for clock in clocks) for core in cores}
    worst = max(changes, key=changes.__getitem__, default=None)
    if worst is None:
        return None, "the device reports the clocks of other cores after each repeat"
    return changes[worst] < CLOCK_TOLERANCE, f"the clock of {worst} differs by {changes[worst]:.0%} between repeats"


def _busy_clocks(repeat: Repeat, settings: Settings) -> dict[str, float]:
    """Return the clocks, {core: MHz}, of the GPU or the pinned cores that ran the artifact, or of the fastest core."""
    reading = repeat.after
    if reading.gpu and any(word in repeat.runtime.lower() for word in ("tensorrt", "cuda")):
        return {"the GPU": reading.gpu}
    known = {core: clock for core, clock in reading.clock.items() if clock > 0}
    if "arm" in known:  # the clock that all cores of a Raspberry Pi share, as its firmware measures it
        return {"arm": known["arm"]}
    pinned = {name: known[name] for name in (f"cpu{core}" for core in settings.cores or ()) if name in known}
    return pinned or ({"the fastest core": max(known.values())} if known else {})


def tail(samples: Sequence[float]) -> float | None:
    """Return p90 over p50 of the latencies of a repeat's steps; None: too few steps, or a median of zero.

    A browser's clock may be as coarse as ``COARSEST_CLOCK``, which is the duration of a step on a fast device. So the
    resolution of the clock, which is the smallest difference between two values, is subtracted from p90 first.
    """
    p50, p90 = percentile(samples, "p50"), percentile(samples, "p90")
    if not p50 or p90 is None:
        return None
    distinct = sorted(set(samples))
    resolution = min((b - a for a, b in pairwise(distinct)), default=0.0)
    resolution = min(resolution, COARSEST_CLOCK)
    return max(1.0, (p90 - resolution) / p50)


def _undisturbed(repeats: Sequence[Repeat]) -> Flag:
    largest, complete = _largest([repeat.competing for repeat in repeats])
    if largest > MAX_COMPETING:
        return False, (
            f"other processes used {largest:.0%} of the CPU time in a repeat, and {MAX_COMPETING:.0%} is the limit: "
            "stop them and measure again"
        )
    return (True if complete else None), "the device does not report how much of the CPU other processes used"


def _tail_ok(repeats: Sequence[Repeat], settings: Settings) -> Flag:
    if settings.mode == "sustained":
        return None, "p90 is not compared with p50 in a sustained run, because heat may slow it down"
    largest, complete = _largest([tail(repeat.end_to_end) for repeat in repeats])
    if largest > MAX_TAIL:
        return False, (
            f"p90 is {largest:.1f} times p50 in a repeat, and {MAX_TAIL:g} times is the limit: something else "
            "interrupts the steps"
        )
    return (True if complete else None), "there are too few steps to compare p90 with p50"


def _largest(values: Sequence[float | None]) -> tuple[float, bool]:
    """Return the largest known value, 0 if none is known, and whether there are values and all of them are known."""
    known = [value for value in values if value is not None]
    return max(known, default=0.0), bool(known) and len(known) == len(values)


def _checked(repeats: Sequence[Repeat]) -> Flag:
    results = [repeat.checked for repeat in repeats]
    if False in results:
        return False, "the artifact's self-check failed on the device: its results are wrong there"
    return (True if results and None not in results else None), "the artifact has no self-check, or it was not run"
