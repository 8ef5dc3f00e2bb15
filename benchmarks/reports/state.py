"""What distinguishes the reports of one device: file name, date, and the state of the device while it was measured."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from edgeshift._system.clock import date_text
from edgeshift.benchmarks.accuracy.report import Report as AccuracyReport
from edgeshift.benchmarks.latency.result import Report as LatencyReport
from edgeshift.benchmarks.latency.result import SensorReading
from edgeshift.benchmarks.latency.summary import summarize
from edgeshift.stream.placement import Placement, texts

#: Text for a value that the device does not report.
UNKNOWN = "not known"


class LatencyState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the device of a report of latency.

    Attributes:
        report, date: name of the report, and the time at which it was made; None: it is older than this field.
        device, board: name of the device, and its board or else its processor.
        system, edgeshift: its operating system, and the version of edgeshift.
        governors, power_mode, power_source, load: as in ``Facts``, read before the first repeat.
        coolest, hottest: lowest and highest temperature of the hottest sensor around the repeats, degrees Celsius.
        throttled: why the device throttled around a repeat; empty: it did not; None: not reported.
        competing: largest share of the CPU time that other processes used in a repeat; None: not reported.
        ran_on: where the graphs of the artifacts ran, each place once.
        locked, mode: whether the clocks were locked, and the mode of the measurement.
        valid: whether all measurements of the report are valid.
    """

    kind: str = "latency"
    report: str
    date: datetime | None
    device: str
    board: str
    system: str
    edgeshift: str
    governors: tuple[str, ...]
    power_mode: str | None
    power_source: str | None
    load: float | None
    coolest: float | None
    hottest: float | None
    throttled: tuple[str, ...] | None
    competing: float | None
    ran_on: tuple[Placement, ...]
    locked: bool
    mode: str
    valid: bool

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Names and values for people."""
        temperature = UNKNOWN
        if self.coolest is not None and self.hottest is not None:
            temperature = (
                " to ".join(dict.fromkeys(f"{degrees:.0f}" for degrees in (self.coolest, self.hottest))) + " C"
            )
        return [
            ("date", date_text(self.date)),
            ("device", f"{self.board} ({self.device})"),
            ("system", self.system),
            ("edgeshift", self.edgeshift),
            ("ran on", texts(self.ran_on)),
            ("mode", self.mode),
            ("governor", ", ".join(self.governors) or UNKNOWN),
            ("clocks", "locked" if self.locked else "not locked"),
            ("power mode", self.power_mode or UNKNOWN),
            ("power source", self.power_source or UNKNOWN),
            ("temperature", temperature),
            ("throttling", UNKNOWN if self.throttled is None else ", ".join(self.throttled) or "none"),
            ("load average before", UNKNOWN if self.load is None else f"{self.load:.2f}"),
            ("CPU used by others", UNKNOWN if self.competing is None else f"at most {self.competing:.0%}"),
            ("measurement", "valid" if self.valid else "not valid"),
        ]


class AccuracyState(msgspec.Struct, frozen=True, kw_only=True):
    """What distinguishes a report of accuracy: its name, its date, its data, and what ran its artifacts."""

    kind: str = "accuracy"
    report: str
    date: datetime | None
    data: str
    split: str | None
    runtimes: tuple[str, ...]
    ran_on: tuple[Placement, ...]

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Names and values for people."""
        split = f", split {self.split}" if self.split else ""
        return [
            ("date", date_text(self.date)),
            ("data", self.data + split),
            ("runtime", ", ".join(self.runtimes)),
            ("ran on", texts(self.ran_on)),
        ]


State = LatencyState | AccuracyState


def report_state(report: LatencyReport | AccuracyReport, name: str) -> State:
    """Return the state of a report with this name."""
    if isinstance(report, AccuracyReport):
        runtimes = dict.fromkeys(artifact.runtime for artifact in report.subjects)
        return AccuracyState(
            report=name,
            date=report.date,
            data=report.data,
            split=report.split,
            runtimes=tuple(runtimes),
            ran_on=tuple(dict.fromkeys(artifact.placement for artifact in report.subjects)),
        )
    readings = _readings(report)
    degrees = [max(reading.temperatures.values()) for reading in readings if reading.temperatures]
    reasons = [reading.throttled for reading in readings if reading.throttled is not None]
    summaries, facts = summarize(report), report.facts
    return LatencyState(
        report=name,
        date=report.date,
        device=report.device,
        board=facts.board or facts.processor,
        system=facts.system,
        edgeshift=report.edgeshift,
        governors=facts.governors,
        power_mode=facts.power_mode,
        power_source=facts.power_source,
        load=facts.load,
        coolest=min(degrees, default=None),
        hottest=max(degrees, default=None),
        throttled=tuple(dict.fromkeys(reason for several in reasons for reason in several)) if reasons else None,
        competing=max((s.competing for s in summaries if s.competing is not None), default=None),
        ran_on=tuple(dict.fromkeys(place for summary in summaries for place in summary.ran_on)),
        locked=report.settings.locked,
        mode=report.settings.mode,
        valid=all(summary.validity.valid for summary in summaries),
    )


def side_by_side(states: Sequence[State], heads: Sequence[str]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return the columns and rows of a table with one column per report.

    Args:
        states: the reports, all of latency or all of accuracy.
        heads: the heading of each report.
    """
    facts = [state.facts for state in states]
    rows = [(row[0][0], *(value for _, value in row)) for row in zip(*facts, strict=True)]
    return ["", *heads], rows


def before_and_after(names: Sequence[str]) -> list[str]:
    """Return headings that say which report the others are compared with."""
    return [f"{name} ({'after' if index else 'before'})" for index, name in enumerate(names)]


def _readings(report: LatencyReport) -> list[SensorReading]:
    return [
        reading
        for artifact in report.subjects
        for repeat in artifact.repeats
        for reading in (repeat.before, *(minute.reading for minute in repeat.minutes), repeat.after)
    ]
