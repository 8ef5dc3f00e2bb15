"""Reports read from files, of latency or of accuracy. Untrusted: they come from other people's machines."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from edgeshift.benchmarks.accuracy import report as accuracy
from edgeshift.benchmarks.latency import result as latency
from edgeshift.errors import EdgeshiftError, one_line

Document = latency.Report | accuracy.Report

#: Bytes of a file; an hour of a sustained run has 20 MB. Characters of a text. Nesting, the digits of a number.
MAX_BYTES, MAX_TEXT, MAX_DEPTH, MAX_NUMBER = 1 << 28, 4096, 32, 1e15
#: Characters that turn the direction of what follows them.
TURNING = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}


class _Head(msgspec.Struct):
    version: int
    kind: str | None = None
    data_sha256: str | None = None


def read_document(path: Path) -> Document:
    """Read a report of either sort; its content says which.

    Raises:
        EdgeshiftError: too large, not JSON, no report, another version, or parts that contradict each other. One line.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise EdgeshiftError(f"{path}: larger than {MAX_BYTES:,} bytes, the limit for a report")
        data = path.read_bytes()
    except OSError as error:
        raise EdgeshiftError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        head = msgspec.json.decode(data, type=_Head)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise EdgeshiftError(f"{path}: no report of `edgeshift bench` or `edgeshift eval`") from error
    if head.kind == latency.KIND:
        version, wanted, maker = head.version, latency.VERSION, "bench"
    elif head.kind is None and head.data_sha256 is not None:
        version, wanted, maker = head.version, accuracy.VERSION, "eval"
    else:
        raise EdgeshiftError(f"{path}: no report of `edgeshift bench` or `edgeshift eval`")
    if version != wanted:
        newer = "update edgeshift" if version > wanted else f"make it again with `edgeshift {maker}`"
        raise EdgeshiftError(f"{path}: a report of version {version}; this edgeshift reads version {wanted}: {newer}")
    try:
        found = _plain(msgspec.json.decode(data))
        if maker == "bench":
            report = msgspec.convert(found, latency.Report)
            _check_latency(report)
            return report
        answers = msgspec.convert(found, accuracy.Report)
        _check_accuracy(answers)
        return answers
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise EdgeshiftError(f"{path}: a damaged report: {_printable(one_line(error))}; make it again") from error


def _plain(value: Any, depth: int = 0) -> Any:
    """The same without what could steer a terminal, and without numbers that overflow what is computed from them."""
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise ValueError(f"a text of {len(value):,} characters")
        return _printable(value)
    if isinstance(value, (int, float)) and not abs(value) <= MAX_NUMBER:
        raise ValueError("a number out of bounds")
    if depth > MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        return {_plain(name): _plain(inside, depth + 1) for name, inside in value.items()}
    if isinstance(value, list):
        return [_plain(inside, depth + 1) for inside in value]
    return value


def _printable(text: str) -> str:
    return "".join("?" if ord(c) < 32 or 127 <= ord(c) < 160 or ord(c) in TURNING else c for c in text)


def _check_latency(report: latency.Report) -> None:
    if not report.subjects:
        raise ValueError("it has no artifacts")
    settings = report.settings
    _not_negative((settings.width, settings.height, settings.seconds, settings.steps, settings.fps or 0))
    for subject in report.subjects:
        _not_negative((subject.bytes, *subject.input))
        for repeat in subject.repeats:
            phases = (repeat.pre, repeat.infer, repeat.post, repeat.end_to_end)
            # A vendor's program times the graph alone: phases that it does not time are empty.
            if len({len(samples) for samples in phases if samples}) > 1:
                raise ValueError(f"{subject.file}: phases of a repeat with different numbers of steps")
            for samples in phases:
                _not_negative(samples)
            _not_negative((repeat.load, repeat.first, repeat.seconds, *repeat.told.values()))
            _not_negative((repeat.offered or 0, repeat.missed or 0))
            if repeat.steps is not None and repeat.steps < len(repeat.end_to_end):
                raise ValueError(f"{subject.file}: a repeat with more samples than steps")
            if (repeat.missed or 0) > (repeat.offered or 0):
                raise ValueError(f"{subject.file}: more frames missed than offered")
            for minute in repeat.minutes:
                _not_negative((minute.p50 or 0, minute.p90 or 0, minute.steps))


def _check_accuracy(report: accuracy.Report) -> None:
    if not report.subjects:
        raise ValueError("it has no artifacts")
    for subject in report.subjects:
        labels = len(subject.rows)
        if len({clip.file for clip in subject.clips}) != len(subject.clips):
            raise ValueError(f"{subject.file}: a clip that is there twice")
        if len(subject.matrix) != labels or any(len(row) != labels for row in subject.matrix):
            raise ValueError(f"{subject.file}: a confusion matrix that does not fit its labels")
        for row in subject.matrix:
            _not_negative(row)
        for name, share in (*subject.accuracy.items(), *subject.running.items()):
            if any(value is not None and not 0 <= value <= 1 for value in (share.value, share.low, share.high)):
                raise ValueError(f"{subject.file}: a share {name!r} that is none")


def _not_negative(values: Iterable[float]) -> None:
    if any(not (value >= 0 and math.isfinite(value)) for value in values):
        raise ValueError("a negative number where there can be none")
