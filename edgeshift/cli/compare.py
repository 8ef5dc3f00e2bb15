"""``edgeshift compare``: decide whether one report is slower, or less accurate, than another."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeshift.cli.effect import ALWAYS
from edgeshift.cli.options import AsJson, option
from edgeshift.cli.output import print_facts, print_json, print_next, print_table
from edgeshift.errors import CheckFailedError, EdgeshiftError

if TYPE_CHECKING:
    from edgeshift.benchmarks.latency.result import Report as LatencyReport
    from edgeshift.benchmarks.reports.accuracy_compare import Changes
    from edgeshift.benchmarks.reports.latency_compare import Comparison

#: Exit status if a measurement is not valid.
NOT_VALID = 3


def run(
    first: Annotated[Path, typer.Argument(metavar="A.json")],
    second: Annotated[Path | None, typer.Argument(metavar="B.json")] = None,
    tolerance: Annotated[str | None, option("Comparison", effect=ALWAYS, metavar="N%")] = None,
    across: Annotated[str, option("Comparison", effect=ALWAYS, metavar="NAME,...")] = "",
    allow_invalid: Annotated[bool, option("Comparison", effect=ALWAYS)] = False,
    as_json: AsJson = False,
) -> int:
    """Compare two reports of latency (bench --out) or accuracy (eval --out): A from before a change, B from after it.

    Artifacts of two reports are paired by file name, or by their order if no name is in both. If only one report of
    latency is given, its first artifact is A, and each of its other artifacts is compared with it as B.

    Latency: B is slower if the ratio of the medians, B over A, exceeds 1 + tolerance and its 95% interval lies above 1.
    Runs that differ in device, model or settings are refused with a list of the differences. If both reports measured
    the same file (equal SHA-256) under the same conditions, there is no verdict, because only the runs can differ.

    Accuracy: B is worse if its accuracy is lower by more than the tolerance, and McNemar's test on the clips of both
    reports gives p < 0.05.

    Args:
        first: Report A, which B is compared with.
        second: Report B, which may be slower or less accurate. Default: the other artifacts of A.json.
        tolerance: Slowdown, or loss of accuracy, that still counts as equal. Default: 5% for latency, 1 percentage
            point for accuracy.
        across: Conditions that may differ between the runs, such as precision or accelerator.
        allow_invalid: Compare measurements even if they are not valid.

    Examples:
      edgeshift compare main.json branch.json
      edgeshift compare fp32.json int8.json --across precision --tolerance 10%
      edgeshift compare fp32_and_int8.json --across precision
      edgeshift compare accuracy_main.json accuracy_branch.json --json

    Exit status: 1 if something is slower or worse, 2 if the reports cannot be compared, 3 if a measurement is not
    valid.
    """
    import msgspec

    from edgeshift.benchmarks.accuracy.report import Report as AccuracyReport
    from edgeshift.benchmarks.latency.result import Report as LatencyReport
    from edgeshift.benchmarks.reports import accuracy_compare, latency_compare
    from edgeshift.benchmarks.reports.documents import read_document, report_names
    from edgeshift.benchmarks.reports.state import report_state, side_by_side

    share = None if tolerance is None else _share(tolerance)
    names = [name.strip() for name in across.split(",") if name.strip()]
    before = read_document(first)
    after = None if second is None else read_document(second)
    comparison: Comparison | Changes
    if isinstance(before, LatencyReport) and (after is None or isinstance(after, LatencyReport)):
        problems = _invalid(before, after, first, second or first)
        if problems and not allow_invalid:
            return _refuse(problems, "these measurements are not valid; measure again")
        share = latency_compare.TOLERANCE if share is None else share
        comparison = latency_compare.compare_latency(before, after, share, names)
        slower = [pair for pair in comparison.pairs if pair.verdict == "slower"]
        changes = ", ".join(f"{pair.file} ({pair.end_to_end.value - 1:+.1%})" for pair in slower)
        regression = f"slower than {'before' if after else before.subjects[0].file}: {changes}"
    elif isinstance(before, AccuracyReport) and isinstance(after, AccuracyReport):
        problems = accuracy_compare.unreadable_clips(before, after)
        if problems and not allow_invalid:
            return _refuse(problems, "some clips could be read in one report only; repair these clips")
        share = accuracy_compare.TOLERANCE if share is None else share
        comparison = accuracy_compare.compare_accuracy(before, after, share, names)
        worse = [pair for pair in comparison.pairs if pair.verdict == "worse"]
        changes = ", ".join(f"{pair.file} ({100 * pair.difference:+.1f} points)" for pair in worse)
        regression = f"worse than before: {changes}"
    elif after is None:
        raise EdgeshiftError(f"{first}: give a second report; `edgeshift report` compares the artifacts of this one")
    else:
        latency = first if isinstance(before, LatencyReport) else second
        raise EdgeshiftError(f"{first} and {second}: only {latency} is a report of latency; give two of the same kind")
    documents = [document for document in (before, after) if document is not None]
    files = [file for file in (first, second) if file is not None]
    states = [
        report_state(report, name) for name, report in zip(report_names(files, len(files)), documents, strict=True)
    ]
    if as_json:
        document = {**msgspec.to_builtins(comparison), "regressed": comparison.regressed, "invalid": problems}
        print_json({**document, "reports": states})
    else:
        heads = [f"{side}: {state.report}" for side, state in zip("AB", states, strict=False)]
        print_table("Reports", *side_by_side(states, heads))
        _print(comparison, problems)
        print_next("edgeshift", "report", *filter(None, (first, second)), "--out", "report.html")
    if comparison.regressed:
        raise CheckFailedError(regression)
    return 0


def _invalid(before: LatencyReport, after: LatencyReport | None, first: Path, second: Path) -> list[str]:
    """Return why the measurements of compared artifacts are not valid. Artifacts without a partner are not checked."""
    from edgeshift.benchmarks.reports.latency_compare import compared_pairs, failures

    pairs, _ = compared_pairs(before, after)
    sides = (
        (first, before, {artifact.file for artifact, _ in pairs}),
        (second, after or before, {artifact.file for _, artifact in pairs}),
    )
    return list(dict.fromkeys(f"{path}: {line}" for path, report, files in sides for line in failures(report, files)))


def _refuse(problems: list[str], reason: str) -> int:
    for line in (*problems, f"not compared: {reason}, or add --allow-invalid"):
        print(f"edgeshift: {line}", file=sys.stderr)
    return NOT_VALID


def _print(comparison: Comparison | Changes, problems: list[str]) -> None:
    from edgeshift.benchmarks.accuracy.table import points
    from edgeshift.benchmarks.latency.table import milliseconds
    from edgeshift.benchmarks.reports.latency_compare import Comparison
    from edgeshift.benchmarks.reports.notes import by_note

    notes: list[tuple[str, object]] = []
    if isinstance(comparison, Comparison):
        columns = ["file", "A p50 ms", "B p50 ms", "end to end", "infer", "verdict"]
        rows: list[tuple[object, ...]] = [
            (milliseconds(pair.before), milliseconds(pair.after), pair.end_to_end, pair.infer or "-", pair.verdict)
            for pair in comparison.pairs
        ]
        title = f"B over A, tolerance {comparison.tolerance:.1%}"
        notes += [("permitted", str(difference)) for difference in comparison.across]
        wide = "the interval exceeds the tolerance: measure longer, or with more repeats"
        by_file = [(pair.file, (*pair.notes, *([wide] if pair.wide else []))) for pair in comparison.pairs]
    else:
        columns = ["file", "clips", "A", "B", "difference", "prediction changed", "now wrong", "now right"]
        columns += ["McNemar p", "verdict"]
        rows = [
            (
                *(change.clips, f"{change.before:.1%}", f"{change.after:.1%}"),
                points(change.difference, change.low, change.high),
                *(change.changed, change.lost, change.won, f"{change.p:.3g}", change.verdict),
            )
            for change in comparison.pairs
        ]
        by_file = [(change.file, change.notes) for change in comparison.pairs]
        points_allowed = 100 * comparison.tolerance
        title = f"B compared with A, tolerance {points_allowed:g} percentage point{'s' * (points_allowed != 1)}"
    files = [_file_names(pair.before_file, pair.file) for pair in comparison.pairs]
    print_table(title, columns, [(file, *row) for file, row in zip(files, rows, strict=True)])
    notes += [("", line) for line in by_note(by_file)]
    notes += [("not valid", line) for line in problems] + [("only in one report", file) for file in comparison.unpaired]
    print_facts("Notes", dict.fromkeys(notes))


def _file_names(before: str, after: str) -> str:
    return after if before == after else f"{before} -> {after}"


def _share(text: str) -> float:
    """Read a share, written as "5%" or "0.05"."""
    number, percent = text.strip().removesuffix("%"), text.strip().endswith("%")
    try:
        value = float(number) / (100 if percent else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise EdgeshiftError(f"--tolerance {text}: give a share from 0% to under 100%, such as 5%")
    return value
