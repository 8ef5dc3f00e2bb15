"""``edgeshift compare``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgeshift.cli.output import print_facts, print_json, print_next, print_table
from edgeshift.errors import CheckFailedError, EdgeshiftError

if TYPE_CHECKING:
    from edgeshift.benchmarks.accuracy import Report as AccuracyReport
    from edgeshift.benchmarks.latency.result import Report as LatencyReport
    from edgeshift.benchmarks.reports.accuracy_compare import Changes
    from edgeshift.benchmarks.reports.latency_compare import Comparison

FILE = click.Path(path_type=Path)
#: The exit status of a measurement that is not valid.
NOT_VALID = 3


@click.command("compare")
@click.argument("first", type=FILE, metavar="A.json")
@click.argument("second", type=FILE, metavar="[B.json]", required=False)
@click.option("--tolerance", metavar="N%", help="What is no regression. Default: 5% of latency, 1 point of accuracy.")
@click.option("--across", default="", metavar="NAME,...", help="What may differ between the runs, such as precision.")
@click.option("--allow-invalid", is_flag=True, help="Compare measurements that are not valid all the same.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def run(
    first: Path, second: Path | None, tolerance: str | None, across: str, allow_invalid: bool, as_json: bool
) -> int:
    """Compare two reports, before and after: of latency (bench --out) or of accuracy (eval --out).

    One report of latency: its artifacts, which took turns, each against the first.

    Latency: B is slower if the ratio of the medians is over the tolerance and its 95% interval lies above 1. Runs on
    other devices, of other models, or under other settings are refused with everything that differs.

    Accuracy: B is worse if it lost more than the tolerance and McNemar's test on the clips that both answered gives
    p < 0.05.

    Artifacts are paired by the name of their file, or else by their order.

    \b
    Examples:
      edgeshift compare main.json branch.json
      edgeshift compare fp32.json int8.json --across precision --tolerance 10%
      edgeshift compare fp32_and_int8.json --across precision
      edgeshift compare accuracy_main.json accuracy_branch.json --json

    Exit status: 1 if something is slower or worse, 2 if the reports cannot be compared, 3 if a measurement is not
    valid.
    """
    from edgeshift.benchmarks.accuracy import Report as AccuracyReport
    from edgeshift.benchmarks.latency.result import Report as LatencyReport
    from edgeshift.benchmarks.reports.documents import read_document

    share = None if tolerance is None else _share(tolerance)
    names = [name.strip() for name in across.split(",") if name.strip()]
    before = read_document(first)
    if second is None:
        if isinstance(before, LatencyReport):
            return _latency((first, before), None, share, names, allow_invalid, as_json)
        raise EdgeshiftError(
            f"{first}: give a second report (eval has compared the artifacts of this one with its first)"
        )
    after = read_document(second)
    if isinstance(before, LatencyReport) and isinstance(after, LatencyReport):
        return _latency((first, before), (second, after), share, names, allow_invalid, as_json)
    if isinstance(before, AccuracyReport) and isinstance(after, AccuracyReport):
        return _accuracy((first, before), (second, after), share, names, allow_invalid, as_json)
    latency = first if isinstance(before, LatencyReport) else second
    raise EdgeshiftError(f"{first} and {second}: only {latency.name} is of latency; compare like with like")


def _latency(
    first: tuple[Path, LatencyReport],
    second: tuple[Path, LatencyReport] | None,
    tolerance: float | None,
    across: list[str],
    allow_invalid: bool,
    as_json: bool,
) -> int:
    from edgeshift.benchmarks.reports.latency_compare import TOLERANCE, compare_latency, invalid, paired

    other = None if second is None else second[1]
    pairs, _ = paired(first[1], other)
    # Artifacts that are not compared do not stand in the way.
    sides = [(first, {before.file for before, _ in pairs}), (second or first, {after.file for _, after in pairs})]
    problems = [f"{path}: {line}" for (path, report), files in sides for line in invalid(report, files)]
    problems = list(dict.fromkeys(problems))
    if problems and not allow_invalid:
        for line in problems:
            _say(line)
        _say("not compared, as these measurements are not valid; measure again, or add --allow-invalid")
        return NOT_VALID
    found = compare_latency(first[1], other, TOLERANCE if tolerance is None else tolerance, across)
    if as_json:
        print_json({**msgspec.to_builtins(found), "regressed": found.regressed, "invalid": problems})
    else:
        _print_latency(found, problems)
        print_next("edgeshift", "report", first[0], *([second[0]] if second else []), "--out", "report.html")
    if found.regressed:
        words = "slower than before" if second else f"slower than {pairs[0][0].file}"
        slower = [f"{pair.file} ({pair.end_to_end.value - 1:+.1%})" for pair in found.pairs if pair.verdict == "slower"]
        raise CheckFailedError(f"{words}: {', '.join(slower)}")
    return 0


def _print_latency(found: Comparison, problems: list[str]) -> None:
    from edgeshift.benchmarks.latency.table import milliseconds

    print_table(
        f"B over A, tolerance {found.tolerance:.1%}",
        ("file", "A p50 ms", "B p50 ms", "end to end", "infer", "verdict"),
        [
            (
                _both(pair.before_file, pair.file),
                milliseconds(pair.before),
                milliseconds(pair.after),
                pair.end_to_end,
                "-" if pair.infer is None else pair.infer,
                pair.verdict,
            )
            for pair in found.pairs
        ],
    )
    lines: list[tuple[str, object]] = [("permitted", str(one)) for one in found.across]
    lines += [("not valid", line) for line in problems]
    lines += [("only in one", file) for file in found.unpaired]
    for pair in found.pairs:
        lines += [(pair.file, note) for note in pair.notes]
        if pair.wide:
            lines.append((pair.file, "the interval reaches beyond the tolerance: measure longer, or more repeats"))
    if lines:
        print_facts("To know", list(dict.fromkeys(lines)))


def _accuracy(
    first: tuple[Path, AccuracyReport],
    second: tuple[Path, AccuracyReport],
    tolerance: float | None,
    across: list[str],
    allow_invalid: bool,
    as_json: bool,
) -> int:
    from edgeshift.benchmarks.reports.accuracy_compare import TOLERANCE, compare_accuracy, unequal

    problems = unequal(first[1], second[1])
    if problems and not allow_invalid:
        for line in problems:
            _say(line)
        _say("not compared, as they answered other clips; make the clips readable, or add --allow-invalid")
        return NOT_VALID
    found = compare_accuracy(first[1], second[1], TOLERANCE if tolerance is None else tolerance, across)
    if as_json:
        print_json({**msgspec.to_builtins(found), "regressed": found.regressed, "invalid": problems})
    else:
        _print_accuracy(found, problems)
        print_next("edgeshift", "report", first[0], second[0], "--out", "report.html")
    if found.regressed:
        worse = [f"{one.file} ({100 * one.difference:+.1f} points)" for one in found.pairs if one.verdict == "worse"]
        raise CheckFailedError(f"worse than before: {', '.join(worse)}")
    return 0


def _print_accuracy(found: Changes, problems: list[str]) -> None:
    from edgeshift.benchmarks.accuracy.table import points

    print_table(
        f"B against A, tolerance {100 * found.tolerance:g} points",
        (
            "file",
            "clips",
            "A",
            "B",
            "difference",
            "answered otherwise",
            "now wrong",
            "now right",
            "McNemar p",
            "verdict",
        ),
        [
            (
                _both(one.before_file, one.file),
                one.clips,
                f"{one.before:.1%}",
                f"{one.after:.1%}",
                points(one.difference, one.low, one.high),
                one.changed,
                one.lost,
                one.won,
                f"{one.p:.3g}",
                one.verdict,
            )
            for one in found.pairs
        ],
    )
    lines: list[tuple[str, object]] = [("not valid", line) for line in problems]
    lines += [("only in one", file) for file in found.unpaired]
    if lines:
        print_facts("To know", lines)


def _both(before: str, after: str) -> str:
    return after if before == after else f"{before} -> {after}"


def _share(text: str) -> float:
    """A share, as "5%" or "0.05"."""
    number, percent = text.strip().removesuffix("%"), text.strip().endswith("%")
    try:
        value = float(number) / (100 if percent else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise EdgeshiftError(f"--tolerance {text}: give a share from 0% to under 100%, such as 5%")
    return value


def _say(text: str) -> None:
    print(f"edgeshift: {text}", file=sys.stderr)
