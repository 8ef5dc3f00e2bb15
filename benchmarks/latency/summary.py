"""Compute the figures that tables, pages and comparisons show, from the raw samples of a latency report.

A figure is computed for each repeat, and the median over the repeats is reported. Samples of different repeats are not
pooled, because steps of one process are correlated. A percentile is None if any repeat has too few samples for it
(``edgeshift.stream.percentiles``). Times are microseconds, except ``load`` and ``first``, which are seconds.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from statistics import median

import msgspec
import numpy as np

from edgeshift.benchmarks.latency.result import ArtifactInfo, ArtifactResult, Repeat, Report, Settings
from edgeshift.benchmarks.latency.validity import Validity, check_validity, new_throttling, tail
from edgeshift.stream.percentiles import PERCENTILES, percentile
from edgeshift.stream.placement import Placement

#: The phases of a step that are timed separately, in order.
PHASES = ("pre", "infer", "post", "end_to_end")
#: A measurement is unstable if its relative spread over the repeats (``Summary.spread``) is larger than this.
UNSTABLE = 0.05


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles of the latency of one phase, microseconds; None: too few samples."""

    p50: float | None
    p90: float | None
    p99: float | None


class Paced(msgspec.Struct, frozen=True, kw_only=True):
    """Frames of a paced run.

    Attributes:
        offered: frames that the simulated camera delivered.
        missed: frames that had no result when the next one was due.
        share: ``missed / offered``.
    """

    offered: int
    missed: int
    share: float


class Sustained(msgspec.Struct, frozen=True, kw_only=True):
    """The change of the latency during a sustained run, as the device heats up.

    Attributes:
        minutes: length of the shortest repeat.
        first, last: p90 latency in the first and in the last minute, microseconds.
        slowdown: ``last / first``.
        throttled: why the device throttled during the run; empty: it did not; None: not reported.
    """

    minutes: int
    first: float
    last: float
    slowdown: float
    throttled: tuple[str, ...] | None


class Joules(msgspec.Struct, frozen=True, kw_only=True):
    """Energy of one step: a frame, or an answer of a clip artifact.

    Attributes:
        source: the power sensor.
        raw, net: joules, and joules less those of the idle device in the same time; None: not measured.
        reason: why ``raw`` is None.
    """

    source: str | None
    raw: float | None
    net: float | None
    reason: str | None


class Summary(ArtifactInfo, frozen=True, kw_only=True, rename={"reported": "told"}):
    """The figures of one artifact.

    Attributes:
        runtime: names and versions of the runtimes of all repeats.
        ran_on: where the graph ran in the repeats, each place once.
        repeats, steps: number of repeats, and of timed steps of all repeats together.
        load, first: seconds to load, and of the first step.
        phases: {phase: percentiles}.
        steps_per_second: steps per second of the timed loop.
        per_frame: median latency end to end per incoming frame: of a step, or of an answer of a clip artifact divided
            by ``hop``. None: too few samples, or a paced run of a clip artifact, which times no complete answer.
        spread: range of the repeats' end-to-end p50s, divided by the median of the p50s; None: fewer than two repeats.
        unstable: whether the spread exceeds ``UNSTABLE``.
        paced, sustained: figures of these modes; None: the run had another mode.
        competing: largest share of the CPU time that other processes used in a repeat; None: not known.
        tail: largest p90 over p50 of a repeat, see ``validity.tail``; None: too few samples.
        peak_memory: highest resident memory, bytes; None: not measured.
        reported: microseconds that a vendor's program reports instead of samples. JSON: "told".
        lost: why repeats are missing; None: no repeat is missing.
    """

    runtime: str
    ran_on: tuple[Placement, ...]
    repeats: int
    steps: int
    load: float | None
    first: float | None
    phases: dict[str, Phase]
    steps_per_second: float | None
    per_frame: float | None
    spread: float | None
    unstable: bool
    paced: Paced | None
    sustained: Sustained | None
    energy: Joules
    competing: float | None
    tail: float | None
    peak_memory: int | None
    reported: dict[str, float]
    lost: str | None
    validity: Validity

    @property
    def warnings(self) -> tuple[str, ...]:
        """Reasons to distrust the figures, one sentence each."""
        unstable = f"unstable: p50 varies by {self.spread:.1%} over the repeats" if self.unstable else None
        lost = f"repeats are missing: {self.lost}" if self.lost else None
        return tuple(filter(None, (*self.validity.failures, unstable, lost)))


#: A cache, {id of a report: the report and its summaries}. An entry is removed when its report is deleted.
_SUMMARIES: dict[int, tuple[weakref.ref[Report], tuple[Summary, ...]]] = {}


def summarize(report: Report) -> tuple[Summary, ...]:
    """Return the figures of every artifact. They are computed once per report object; further calls cost nothing."""
    known = _SUMMARIES.get(id(report))
    if known is not None and known[0]() is report:
        return known[1]
    summaries = tuple(_summarize(artifact, report) for artifact in report.subjects)
    key = id(report)
    _SUMMARIES[key] = weakref.ref(report, lambda _: _SUMMARIES.pop(key, None)), summaries
    return summaries


def deadline(settings: Settings) -> float | None:
    """Return the microseconds between two frames of a paced run's camera; None: the run is not paced."""
    return 1e6 / settings.fps if settings.mode == "paced" and settings.fps else None


def frames_per_step(artifact: ArtifactInfo, settings: Settings) -> int | None:
    """Return the incoming frames that the latency of a step covers; None: a paced run of a clip artifact.

    In a paced run, only the frame that completes a clip is timed, and the frames before it are not.
    """
    if artifact.hop is None:
        return 1
    return None if settings.mode == "paced" else artifact.hop


def _summarize(artifact: ArtifactResult, report: Report) -> Summary:
    repeats = artifact.repeats
    spread = _spread(repeats)
    offered, missed = (sum(getattr(repeat, name) or 0 for repeat in repeats) for name in ("offered", "missed"))
    names = dict.fromkeys(name for repeat in repeats for name in repeat.reported)
    phases = {name: _phase(repeats, name) for name in PHASES}
    frames = frames_per_step(artifact, report.settings)
    return Summary(
        **{name: getattr(artifact, name) for name in ArtifactInfo.__struct_fields__},
        runtime=", ".join(dict.fromkeys(repeat.runtime for repeat in repeats)) or "-",
        ran_on=tuple(dict.fromkeys(repeat.placement for repeat in repeats)),
        repeats=len(repeats),
        steps=sum(map(_steps, repeats)),
        load=_median([repeat.load for repeat in repeats]),
        first=_median([repeat.first for repeat in repeats]),
        phases=phases,
        steps_per_second=_median([_rate(repeat) for repeat in repeats]),
        per_frame=None if frames is None or (p50 := phases["end_to_end"].p50) is None else p50 / frames,
        spread=spread,
        unstable=spread is not None and spread > UNSTABLE,
        paced=Paced(offered=offered, missed=missed, share=missed / offered) if offered else None,
        sustained=_sustained(repeats),
        energy=_energy(repeats),
        competing=_largest([repeat.competing for repeat in repeats]),
        tail=_largest([tail(repeat.end_to_end) for repeat in repeats]),
        peak_memory=artifact.memory.peak if artifact.memory else None,
        reported={name: median(r.reported[name] for r in repeats if name in r.reported) for name in names},
        lost=artifact.lost,
        validity=check_validity(artifact, report.settings, report.facts.governors),
    )


def _phase(repeats: Sequence[Repeat], phase: str) -> Phase:
    samples = [np.array(getattr(repeat, phase), np.float64) for repeat in repeats]
    return Phase(**{name: _median([percentile(values, name) for values in samples]) for name in PERCENTILES})


def _median(values: Sequence[float | None]) -> float | None:
    """Return the median over the repeats; None: there is no repeat, or a repeat does not have the value."""
    known = [value for value in values if value is not None]
    return median(known) if known and len(known) == len(values) else None


def _largest(values: Sequence[float | None]) -> float | None:
    """Return the largest known value; None: no value is known."""
    return max((value for value in values if value is not None), default=None)


def _spread(repeats: Sequence[Repeat]) -> float | None:
    medians = [percentile(repeat.end_to_end, "p50") for repeat in repeats]
    known = [value for value in medians if value is not None]
    if len(known) < max(2, len(medians)) or not median(known):
        return None
    return (max(known) - min(known)) / median(known)


def _rate(repeat: Repeat) -> float | None:
    return _steps(repeat) / repeat.seconds if repeat.end_to_end and repeat.seconds > 0 else None


def _steps(repeat: Repeat) -> int:
    return len(repeat.end_to_end) if repeat.steps is None else repeat.steps


def _sustained(repeats: Sequence[Repeat]) -> Sustained | None:
    ends = [(repeat.minutes[0].p90, repeat.minutes[-1].p90) for repeat in repeats if repeat.minutes]
    pairs = [(1e6 * first, 1e6 * last) for first, last in ends if first and last is not None]
    if not repeats or len(pairs) != len(repeats):
        return None
    readings = [(repeat.before, *(minute.reading for minute in repeat.minutes), repeat.after) for repeat in repeats]
    throttled = [reasons for around in readings if (reasons := new_throttling(*around)) is not None]
    return Sustained(
        minutes=min(len(repeat.minutes) for repeat in repeats),
        first=median(first for first, _ in pairs),
        last=median(last for _, last in pairs),
        slowdown=median(last / first for first, last in pairs),
        throttled=tuple(dict.fromkeys(reason for reasons in throttled for reason in reasons)) if throttled else None,
    )


def _energy(repeats: Sequence[Repeat]) -> Joules:
    raw = _median([_frame_joules(repeat, idle=0.0) for repeat in repeats])
    net = _median([_frame_joules(repeat, repeat.energy.idle) for repeat in repeats])
    sources = dict.fromkeys(repeat.energy.source for repeat in repeats if repeat.energy.source)
    reasons = dict.fromkeys(repeat.energy.reason for repeat in repeats if repeat.energy.reason)
    reason = None if raw is not None else "; ".join(reasons) or "not measured"
    return Joules(source=", ".join(sources) or None, raw=raw, net=net, reason=reason)


def _frame_joules(repeat: Repeat, idle: float | None) -> float | None:
    """Return the joules per frame after ``idle`` watts are subtracted from the power; None: not measured."""
    energy, rate = repeat.energy, _rate(repeat)
    if energy.joules is None or not energy.seconds or rate is None or idle is None:
        return None
    return (energy.joules / energy.seconds - idle) / rate
