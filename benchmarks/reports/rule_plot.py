"""The plot of ``edgeshift rule``: the precision that a rule can have at each recall."""

from __future__ import annotations

from pathlib import Path

from edgeshift._system.files import atomic_write
from edgeshift.benchmarks.accuracy.rule_report import RuleReport, RuleResult
from edgeshift.benchmarks.reports.figure import INK, MUTED, SERIES, canvas


def write_trade_off(path: Path, report: RuleReport) -> None:
    """Write the plot as a PNG file.

    Raises:
        RuntimeMissingError: matplotlib is not installed.
    """
    with canvas(3.6) as figure, atomic_write(path) as temporary:
        (axes,) = figure.axes()
        axes.step(*_points(*report.trade_off), color=SERIES[0], where="pre", label="best rules")
        axes.plot(*_points(*report.trade_off), color=SERIES[0], marker="o", markersize=3, linestyle="")
        axes.plot(*_points(report.before), color=MUTED, marker="s", linestyle="", label="rule before")
        axes.plot(*_points(report.chosen), color=SERIES[1], marker="o", markersize=7, linestyle="", label="chosen rule")
        for share, draw in ((report.chosen.precision, axes.vlines), (report.chosen.recall, axes.hlines)):
            if share.low is not None and share.high is not None:
                (x,), (y,) = _points(report.chosen)
                at = x if draw == axes.vlines else y
                draw(at, 100 * share.low, 100 * share.high, color=SERIES[1], linewidth=1)
        recalls, precisions = _points(*report.trade_off, report.before, report.chosen)
        # Tens below the lowest point, so that the rules do not fill only a corner of the plot.
        axes.set_xlim(max(0, min(recalls) // 10 * 10 - 10), 102)
        axes.set_ylim(max(0, min(precisions) // 10 * 10 - 10), 102)
        axes.set_xlabel(f"recall, % of {report.gestures} gestures", color=INK)
        axes.set_ylabel("precision, % of detections", color=INK)
        figure.legend(3)
        figure.write_png(temporary)


def _points(*results: RuleResult) -> tuple[list[float], list[float]]:
    """Return recall and precision in percent. A rule without a detection has a precision of 0 here."""
    return [100 * (row.recall.value or 0) for row in results], [100 * (row.precision.value or 0) for row in results]
