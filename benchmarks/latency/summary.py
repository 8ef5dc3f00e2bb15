"""The figures of a measurement: everything that tables, pages and comparisons say of it, out of its raw samples.

A percentile is given where the samples of every repeat are enough for it (``percentiles``). A figure is the median over
repeats of the repeat's own, since steps of one process are no repeats. Times are microseconds, but ``load`` and
``first``, which are seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

import msgspec
import numpy as np

from edgeshift.benchmarks.latency.result import ArtifactResult, Repeat, Report, Settings
from edgeshift.benchmarks.latency.validity import Validity, judge, new_throttling
from edgeshift.stream.percentiles import PERCENTILES, percentile

#: The phases of a step that are timed one by one, in order.
PHASES = ("pre", "infer", "post", "end_to_end")
#: Spread of repeats above which a measurement is called unstable.
UNSTABLE = 0.05


class Struct(msgspec.Struct, frozen=True, kw_only=True):
    """The base of every part."""


class Phase(Struct, frozen=True, kw_only=True):
    """Percentiles of one phase, in microseconds; None: too few samples."""

    p50: float | None
    p90: float | None
    p99: float | None


class Paced(Struct, frozen=True, kw_only=True):
    """Frames of the camera, and those not answered before the next one was due."""

    offered: int
    missed: int
    share: float


class Sustained(Struct, frozen=True, kw_only=True):
    """What heat does: p90 of the first and of the last minute in microseconds, and the one over the other.

    Attributes:
        minutes: of the shortest repeat. throttled: reasons that came up meanwhile; None: the device does not say.
    """

    minutes: int
    first: float
    last: float
    slowdown: float
    throttled: tuple[str, ...] | None


class Joules(Struct, frozen=True, kw_only=True):
    """Energy of a frame: raw, and net of what the idle device draws. None, for a ``reason``: not measured."""

    source: str | None
    raw: float | None
    net: float | None
    reason: str | None


class Summary(Struct, frozen=True, kw_only=True):
    """One artifact.

    Attributes:
        repeats, steps: how many; steps of all repeats together.
        load, first: seconds. phases: {phase: percentiles}. steps_per_second: of the timed loop.
        spread: of the repeats' p50 end to end, highest less lowest over their median; None: fewer than two.
        unstable: the spread is over ``UNSTABLE``.
        runtime: what ran it. told: microseconds of a vendor's own program, where there are no samples.
    """

    file: str
    sha256: str
    bytes: int
    target: str
    model: str
    precision: str
    input: tuple[int, ...]
    runtime: str
    repeats: int
    steps: int
    load: float | None
    first: float | None
    phases: dict[str, Phase]
    steps_per_second: float | None
    spread: float | None
    unstable: bool
    paced: Paced | None
    sustained: Sustained | None
    energy: Joules
    peak_memory: int | None
    told: dict[str, float]
    lost: str | None
    validity: Validity

    @property
    def warnings(self) -> tuple[str, ...]:
        """What speaks against the figures, in words."""
        spread = f"unstable: repeats spread over {self.spread:.1%}" if self.unstable and self.spread else None
        lost = f"repeats are missing: {self.lost}" if self.lost else None
        return tuple(words for words in (*self.validity.failures, spread, lost) if words)


def summarize(report: Report) -> tuple[Summary, ...]:
    """Every artifact of a report."""
    return tuple(summarize_subject(subject, report) for subject in report.subjects)


def summarize_subject(subject: ArtifactResult, report: Report) -> Summary:
    """One artifact."""
    repeats, settings = subject.repeats, report.settings
    spread = _spread(repeats)
    return Summary(
        file=subject.file,
        sha256=subject.sha256,
        bytes=subject.bytes,
        target=subject.target,
        model=subject.model,
        precision=subject.precision,
        input=subject.input,
        runtime=", ".join(dict.fromkeys(repeat.runtime for repeat in repeats)) or "-",
        repeats=len(repeats),
        steps=sum(_steps(repeat) for repeat in repeats),
        load=_middle(repeats, lambda repeat: repeat.load),
        first=_middle(repeats, lambda repeat: repeat.first),
        phases={name: _phase(repeats, name) for name in PHASES},
        steps_per_second=_middle(repeats, _rate),
        spread=spread,
        unstable=spread is not None and spread > UNSTABLE,
        paced=_paced(repeats),
        sustained=_sustained(repeats),
        energy=_joules(repeats),
        peak_memory=subject.memory.peak if subject.memory else None,
        told=_told(repeats),
        lost=subject.lost,
        validity=judge(subject, settings, report.facts.governors),
    )


def deadline(settings: Settings) -> float | None:
    """Microseconds between two frames of a paced run's camera."""
    return 1e6 / settings.fps if settings.mode == "paced" and settings.fps else None


def _phase(repeats: Sequence[Repeat], phase: str) -> Phase:
    samples = [np.array(getattr(repeat, phase), np.float64) for repeat in repeats]
    return Phase(**{name: _median([percentile(one, name) for one in samples]) for name in PERCENTILES})


def _spread(repeats: Sequence[Repeat]) -> float | None:
    values = [percentile(repeat.end_to_end, "p50") for repeat in repeats]
    known = [value for value in values if value is not None]
    if len(known) < max(2, len(values)) or not median(known):
        return None
    return (max(known) - min(known)) / median(known)


def _rate(repeat: Repeat) -> float | None:
    return _steps(repeat) / repeat.seconds if repeat.end_to_end and repeat.seconds > 0 else None


def _steps(repeat: Repeat) -> int:
    return len(repeat.end_to_end) if repeat.steps is None else repeat.steps


def _middle(repeats: Sequence[Repeat], of: Callable[[Repeat], float | None]) -> float | None:
    return _median([of(repeat) for repeat in repeats])


def _median(values: Sequence[float | None]) -> float | None:
    """Of all repeats: a figure that one of them has not is not given."""
    known = [value for value in values if value is not None]
    return median(known) if known and len(known) == len(values) else None


def _paced(repeats: Sequence[Repeat]) -> Paced | None:
    pairs = [(one.offered, one.missed) for one in repeats if one.offered is not None and one.missed is not None]
    offered, missed = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    return Paced(offered=offered, missed=missed, share=missed / offered) if offered else None


def _sustained(repeats: Sequence[Repeat]) -> Sustained | None:
    ends = [(repeat.minutes[0].p90, repeat.minutes[-1].p90) for repeat in repeats if repeat.minutes]
    known = [(1e6 * early, 1e6 * late) for early, late in ends if early and late is not None]
    if not repeats or len(known) != len(repeats):
        return None
    first, last = [early for early, _ in known], [late for _, late in known]
    new = [new_throttling(one.before, *(minute.reading for minute in one.minutes), one.after) for one in repeats]
    told = [reasons for reasons in new if reasons is not None]
    return Sustained(
        minutes=min(len(repeat.minutes) for repeat in repeats),
        first=median(first),
        last=median(last),
        slowdown=median(late / early for early, late in zip(first, last, strict=True)),
        throttled=tuple(dict.fromkeys(reason for reasons in told for reason in reasons)) if told else None,
    )


def _joules(repeats: Sequence[Repeat]) -> Joules:
    sources = dict.fromkeys(repeat.energy.source for repeat in repeats if repeat.energy.source)
    raw, net = _middle(repeats, _frame_joules), _middle(repeats, lambda repeat: _frame_joules(repeat, idle=True))
    reasons = dict.fromkeys(repeat.energy.reason for repeat in repeats if repeat.energy.reason)
    reason = None if raw is not None else "; ".join(map(str, reasons)) or "not measured"
    return Joules(source=", ".join(sources) or None, raw=raw, net=net, reason=reason)


def _frame_joules(repeat: Repeat, *, idle: bool = False) -> float | None:
    energy, rate = repeat.energy, _rate(repeat)
    if energy.joules is None or not energy.seconds or rate is None:
        return None
    if idle and energy.idle is None:
        return None
    watts = energy.joules / energy.seconds - (energy.idle or 0.0 if idle else 0.0)
    return watts / rate


def _told(repeats: Sequence[Repeat]) -> dict[str, float]:
    names = dict.fromkeys(name for repeat in repeats for name in repeat.told)
    return {name: median(repeat.told[name] for repeat in repeats if name in repeat.told) for name in names}
