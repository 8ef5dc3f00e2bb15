"""Whether a measurement may be believed. Each flag is True, False, or None where it cannot be known here.

What cannot be known is said and not held against a measurement: a virtual machine shows neither heat nor clocks.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edgeshift.benchmarks.latency.mode import MODES
from edgeshift.benchmarks.latency.result import ArtifactResult, Reading, Repeat, Settings

#: How far a core's clock may lie apart, at the ends of repeats, to be called stable.
CLOCKS = 0.10
#: How a reason ends that is a memory of the device and no state.
PAST = "since it started"


class Validity(msgspec.Struct, frozen=True, kw_only=True):
    """The flags.

    Attributes:
        min_duration_met, min_steps_met: every repeat has the seconds and steps of its mode.
        warm: the time of a step had settled in every repeat when timing began.
        thermal_ok: never above the ceiling, not throttled meanwhile. clocks_stable: see ``CLOCKS``.
        checked: the artifact's self-check held on the device. enough_repeats: those of the mode, fresh processes.
        valid: nothing that is known speaks against it. reasons: {flag: why it is not True}, in words.
    """

    min_duration_met: bool | None
    min_steps_met: bool | None
    warm: bool | None
    thermal_ok: bool | None
    clocks_stable: bool | None
    checked: bool | None
    enough_repeats: bool | None
    valid: bool
    reasons: dict[str, str]

    @property
    def flags(self) -> dict[str, bool | None]:
        """Each by name, in order."""
        return {name: getattr(self, name) for name in FLAGS}

    @property
    def failures(self) -> tuple[str, ...]:
        """Why it is not valid."""
        return tuple(self.reasons[name] for name, held in self.flags.items() if held is False)

    @property
    def unknown(self) -> tuple[str, ...]:
        """What could not be checked, and why."""
        return tuple(self.reasons[name] for name, held in self.flags.items() if held is None)


FLAGS = tuple(name for name in Validity.__struct_fields__ if name not in ("valid", "reasons"))
#: A flag, and why it is not True.
Judged = tuple[bool | None, str]


def judge(subject: ArtifactResult, settings: Settings, governors: Sequence[str]) -> Validity:
    """Form the flags of one artifact.

    Args:
        subject: it. settings: of the run. governors: of the device's clocks, as it says.
    """
    repeats = subject.repeats
    judged: dict[str, Judged] = {
        "min_duration_met": _duration(repeats, settings),
        "min_steps_met": _steps(repeats, settings),
        "warm": _warm(repeats),
        "thermal_ok": _thermal(repeats, settings),
        "clocks_stable": _clocks(repeats, settings, governors),
        "checked": _checked(repeats),
        "enough_repeats": _enough(repeats, settings),
    }
    reasons = {name: why for name, (held, why) in judged.items() if held is not True}
    flags = {name: held for name, (held, _) in judged.items()}
    return Validity(**flags, valid=False not in flags.values(), reasons=reasons)


def new_throttling(before: Reading, *later: Reading) -> tuple[str, ...] | None:
    """Reasons that came up after a reading, or that hold in a later one; None: the device does not say.

    One that held before already counts as well, unless it is but a memory: the device was throttled while it ran.
    """
    if before.throttled is None or all(reading.throttled is None for reading in later):
        return None
    seen = [reason for reading in later for reason in reading.throttled or ()]
    known = {reason for reason in before.throttled if reason.endswith(PAST)}
    return tuple(dict.fromkeys(reason for reason in seen if reason not in known))


def _duration(repeats: Sequence[Repeat], settings: Settings) -> Judged:
    if not repeats:
        return False, "nothing was measured"
    if settings.mode == "sustained":
        wanted = settings.minutes or 1
        minutes = min(len(repeat.minutes) for repeat in repeats)
        return minutes >= wanted, f"{minutes} minutes of the {wanted} that were asked for"
    needed = max(settings.seconds, MODES[settings.mode].seconds)
    seconds = min(repeat.seconds for repeat in repeats)
    return seconds >= needed, f"a repeat of {seconds:.1f} s, mode {settings.mode} needs {needed:g} s"


def _steps(repeats: Sequence[Repeat], settings: Settings) -> Judged:
    steps = min((len(repeat.end_to_end) for repeat in repeats), default=0)
    if not steps and any(repeat.told for repeat in repeats):
        return False, "no samples: a vendor's own program gives its figures only"
    needed = max(settings.steps, MODES[settings.mode].steps)
    return steps >= needed, f"a repeat of {steps:,} steps, mode {settings.mode} needs {needed:,}"


def _warm(repeats: Sequence[Repeat]) -> Judged:
    cold = sum(not repeat.warm for repeat in repeats)
    return bool(repeats) and not cold, f"the time of a step had not settled in {cold} of {len(repeats)} repeats"


def _thermal(repeats: Sequence[Repeat], settings: Settings) -> Judged:
    # What heat does to it is what a sustained run is there to measure: only its begin has to be cool.
    sustained = settings.mode == "sustained"
    readings = [r for one in repeats for r in ([one.before] if sustained else [one.before, one.after])]
    hottest = max(((degrees, zone) for r in readings for zone, degrees in r.temperatures.items()), default=None)
    if hottest and hottest[0] > settings.ceiling:
        return False, f"{hottest[1]} was at {hottest[0]:.1f} C, over the ceiling of {settings.ceiling:g} C"
    new = [new_throttling(one.before, one.after) for one in repeats]
    reasons = dict.fromkeys(reason for found in new for reason in found or ())
    if reasons and not sustained:
        return False, f"the device throttled: {', '.join(reasons)}"
    if hottest is None and all(found is None for found in new):
        return None, "the device shows neither its temperature nor whether it throttles"
    return True, ""


def _clocks(repeats: Sequence[Repeat], settings: Settings, governors: Sequence[str]) -> Judged:
    if settings.mode == "sustained":
        return None, "clocks are free to fall in a sustained run"
    # At the end of repeats: the cores are at work. Before one they idle, at whatever clock that gives.
    clocks = [_at_work(repeat, settings) for repeat in repeats]
    if not governors or not all(clocks):
        return None, "the device does not show its clocks" if governors else "the device does not tell its governor"
    if len(clocks) < 2:
        return None, "one reading of the clocks says nothing of their stability"
    cores = [core for core in clocks[0] if all(core in one for one in clocks)]
    apart = {core: 1 - min(one[core] for one in clocks) / max(one[core] for one in clocks) for core in cores}
    worst = max(apart, key=apart.__getitem__, default=None)
    if worst is None:
        return None, "the device shows the clocks of other cores each time"
    return apart[worst] < CLOCKS, f"the clock of {worst} differs by {apart[worst]:.0%} between repeats"


def _at_work(repeat: Repeat, settings: Settings) -> dict[str, float]:
    """{core: MHz} of those that were pinned to; else the fastest one, as the others idle. What a GPU ran: the GPU's."""
    reading = repeat.after
    if reading.gpu and any(word in repeat.runtime.lower() for word in ("tensorrt", "cuda")):
        return {"the GPU": reading.gpu}
    known = {core: clock for core, clock in reading.clock.items() if clock > 0}
    if "arm" in known:  # all cores of a Raspberry Pi have one clock, and this is the one that its firmware counts
        return {"arm": known["arm"]}
    pinned = {name: known[name] for name in (f"cpu{core}" for core in settings.cores or ()) if name in known}
    return pinned or ({"the fastest core": max(known.values())} if known else {})


def _checked(repeats: Sequence[Repeat]) -> Judged:
    found = [repeat.checked for repeat in repeats]
    if False in found:
        return False, "the artifact's self-check failed on the device: it computes something else there"
    return (True if found and None not in found else None), "the artifact carries no self-check, or it was not run"


def _enough(repeats: Sequence[Repeat], settings: Settings) -> Judged:
    needed = MODES[settings.mode].repeats
    return (
        len(repeats) >= needed,
        f"mode {settings.mode} needs {needed} repeats, each a fresh process; here: {len(repeats)}",
    )
