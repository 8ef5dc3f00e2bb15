"""What ``edgeshift rule`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeshift.cli.output import print_facts, print_next, print_table

if TYPE_CHECKING:
    from edgeshift.benchmarks.accuracy.rule_report import RuleReport, RuleResult

#: Largest number of rules in the table.
MAX_ROWS = 12
COLUMNS = ("precision", "recall", "false per minute", "delay", "window", "threshold", "hold-off", "memory")


def print_report(
    report: RuleReport,
    labels: tuple[str, ...],
    file: Path,
    out: Path | None,
    picture: Path | None,
    *,
    written: bool,
    convert: Sequence[object],
) -> None:
    """Print the chosen rule, its score, and the rules to choose from.

    Args:
        report: the report.
        labels: labels of the model.
        file: the file of the model.
        out, picture: files that were written; None: none.
        written: whether the rule was put into ``file``.
        convert: the options of ``edgeshift convert`` that convert the model again.
    """
    from edgeshift.events.spotter import describe_rule, unit_of

    chosen, before = report.chosen, report.before
    streams = "" if report.method == "videos" else f", joined to {report.streams} streams"
    held_out = ["too few streams"] * 2 if report.held_out is None else list(map(str, report.held_out))
    print_facts(
        report.file,
        [
            ("data", f"{report.videos} {report.method} of {report.data}{streams}, {report.seconds / 60:.1f} min"),
            ("gestures", _gestures(report)),
            ("event rule", describe_rule(chosen.rule, labels, unit_of(report.hop))),
            ("precision", chosen.precision),
            ("recall", chosen.recall),
            ("false events", f"{chosen.false_per_minute:.2f} per minute"),
            ("delay", f"{_seconds(chosen.delay)} after the end of a gesture (median)"),
            ("held out", f"precision {held_out[0]}"),
            ("", f"recall {held_out[1]}"),
            ("before", f"precision {before.precision}"),
            ("", f"recall {before.recall}, {before.false_per_minute:.2f} false events per minute"),
        ],
    )
    rows = list(report.trade_off)
    if len(rows) > MAX_ROWS:
        rows = [rows[round(index * (len(rows) - 1) / (MAX_ROWS - 1))] for index in range(MAX_ROWS)]
    print_table("The best rules, from cautious to eager", COLUMNS, [_row(row) for row in rows])
    if report.unreadable:
        print_table("Videos that could not be read", ("video", "reason"), report.unreadable)
    for path in filter(None, (out, picture, file if written else None)):
        print(f"written: {path}")
    if out is not None and not written:
        print_next("edgeshift", "convert", *convert, "--rule", out)
    else:
        print_next("edgeshift", *(("demo", file, "--source", "0") if written else ("rule", file, "--help")))


def _gestures(report: RuleReport) -> str:
    from edgeshift.events.score import GRACE

    if not report.uncounted:
        return f"{report.gestures}"
    why = f"the others end less than {GRACE:g} s before their stream does"
    return f"{report.gestures} of {report.gestures + report.uncounted}; {why}, and are not counted"


def _row(result: RuleResult) -> tuple[object, ...]:
    rule = result.rule
    return (
        result.precision,
        result.recall,
        f"{result.false_per_minute:.2f}",
        _seconds(result.delay),
        rule.window,
        f"{rule.threshold:g}",
        f"{rule.hold_off:g} s",
        "-" if rule.memory is None else rule.memory,
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
