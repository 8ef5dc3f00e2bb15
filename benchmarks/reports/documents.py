"""Read report files of latency and accuracy. They are untrusted input, because other people may have written them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from edgeshift._system.clock import date_text
from edgeshift._system.files import read_file
from edgeshift._system.text import printable
from edgeshift.benchmarks.accuracy import report as accuracy
from edgeshift.benchmarks.latency import result as latency
from edgeshift.errors import EdgeshiftError, one_line

Document = latency.Report | accuracy.Report

#: Largest file in bytes (a sustained run of one hour has 20 MB), and longest text in characters.
MAX_BYTES, MAX_TEXT = 1 << 28, 4096
#: Deepest nesting of a document, and largest absolute value of a number in it.
MAX_DEPTH, MAX_NUMBER = 32, 1e15


class _Head(msgspec.Struct):
    """The fields that show which kind of report a file holds."""

    version: int
    kind: str | None = None
    data_sha256: str | None = None


def read_document(path: Path) -> Document:
    """Read a report of latency or accuracy; the fields of the file decide which.

    Raises:
        EdgeshiftError: the file is too large, is not JSON, is not a report, has another version, or contradicts itself.
    """
    data = read_file(path, MAX_BYTES)
    no_report = EdgeshiftError(f"{path}: this is not a report of `edgeshift bench` or `edgeshift eval`")
    try:
        head = msgspec.json.decode(data, type=_Head)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise no_report from error
    if head.kind == latency.KIND:
        supported, remedy = latency.VERSION, "make it again with `edgeshift bench`"
    elif head.kind is None and head.data_sha256 is not None:
        supported, remedy = accuracy.VERSION, "make it again with `edgeshift eval`"
    else:
        raise no_report
    if head.version != supported:
        raise EdgeshiftError(
            f"{path}: the report has version {head.version}, but this edgeshift reads version {supported}: "
            + ("update edgeshift" if head.version > supported else remedy)
        )
    try:
        fields = _sanitized(msgspec.json.decode(data))
        if head.kind == latency.KIND:
            return _checked_latency(msgspec.convert(fields, latency.Report))
        return _checked_accuracy(msgspec.convert(fields, accuracy.Report))
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        reason = printable(one_line(error))
        raise EdgeshiftError(f"{path}: the report is damaged: {reason}; {remedy}") from error


def report_names(files: Sequence[Path] | None, count: int) -> list[str]:
    """Return a distinct name for each of ``count`` reports.

    A name is the shortest end of the path that no other path shares: ``pi.json``, or ``before/pi.json`` beside
    ``after/pi.json``. Without paths, and for a path that is given twice, reports are numbered.
    """
    if files is None:
        return [f"report {number}" for number in range(1, count + 1)]
    names: list[str] = []
    for depth in range(1, 1 + max((len(file.parts) for file in files), default=0)):
        names = [printable(str(Path(*file.parts[-depth:]))) for file in files]
        if len(set(names)) == count:
            return names
    return [f"{name} ({number})" for number, name in enumerate(names, 1)]


def report_title(report: Document, name: str) -> str:
    """Return the heading of a report: its name, the kind of measurement, and the device or data."""
    if isinstance(report, latency.Report):
        return f"{name}: latency on {report.facts.board or report.facts.processor}, {report.settings.mode} mode"
    return f"{name}: accuracy on {report.data}" + (f", split {report.split}" if report.split else "")


def _sanitized(value: Any, depth: int = 0) -> Any:
    """Return a JSON value with safe text only; refuse long texts, deep nesting and numbers that could overflow."""
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise ValueError(f"a text has {len(value):,} characters; the limit is {MAX_TEXT:,}")
        return printable(value)
    if isinstance(value, (int, float)) and not abs(value) <= MAX_NUMBER:
        raise ValueError(f"a number is out of bounds; the limit is {MAX_NUMBER:g}")
    if depth > MAX_DEPTH:
        raise ValueError(f"it is nested too deeply; the limit is {MAX_DEPTH} levels")
    if isinstance(value, dict):
        return {_sanitized(name): _sanitized(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list):
        return [_sanitized(item, depth + 1) for item in value]
    return value


def _checked_latency(report: latency.Report) -> latency.Report:
    if not report.subjects:
        raise ValueError("it has no artifacts")
    date_text(report.date)  # OverflowError for a time that UTC cannot express
    settings = report.settings
    _require_not_negative((settings.width, settings.height, settings.seconds, settings.steps, settings.fps or 0))
    for subject in report.subjects:
        _require_not_negative((subject.bytes, *subject.input))
        for repeat in subject.repeats:
            _check_repeat(subject.file, repeat)
    return report


def _check_repeat(file: str, repeat: latency.Repeat) -> None:
    phases = (repeat.pre, repeat.infer, repeat.post, repeat.end_to_end)
    # A vendor's program times the graph alone; the phases that it does not time are empty.
    if len({len(samples) for samples in phases if samples}) > 1:
        raise ValueError(f"{file}: the phases of a repeat have different numbers of steps")
    minutes = [value or 0 for minute in repeat.minutes for value in (minute.p50, minute.p90, minute.steps)]
    if not 0 <= (repeat.competing or 0) <= 1:
        raise ValueError(f"{file}: the competing load of a repeat is not between 0 and 1")
    times = (repeat.load, repeat.first, repeat.seconds, *repeat.reported.values())
    _require_not_negative((*times, *minutes, repeat.offered or 0, repeat.missed or 0, *chain(*phases)))
    if repeat.steps is not None and repeat.steps < len(repeat.end_to_end):
        raise ValueError(f"{file}: a repeat has more samples than steps")
    if (repeat.missed or 0) > (repeat.offered or 0):
        raise ValueError(f"{file}: a repeat has more missed frames than offered frames")


def _checked_accuracy(report: accuracy.Report) -> accuracy.Report:
    if not report.subjects:
        raise ValueError("it has no artifacts")
    date_text(report.date)
    for subject in report.subjects:
        labels = len(subject.rows)
        if len({clip.file for clip in subject.clips}) != len(subject.clips):
            raise ValueError(f"{subject.file}: a clip is listed twice")
        if len(subject.matrix) != labels or any(len(row) != labels for row in subject.matrix):
            raise ValueError(f"{subject.file}: the confusion matrix does not fit the labels")
        _require_not_negative(chain(*subject.matrix))
        for name, share in (*subject.accuracy.items(), *subject.running.items()):
            if any(value is not None and not 0 <= value <= 1 for value in (share.value, share.low, share.high)):
                raise ValueError(f"{subject.file}: the share {name!r} is not between 0 and 1")
    return report


def _require_not_negative(values: Iterable[float]) -> None:
    if any(not (value >= 0 and math.isfinite(value)) for value in values):
        raise ValueError("a number that must be 0 or more is negative or not finite")
