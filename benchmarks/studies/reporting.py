"""How a benchmark that ends in a ``Report`` is run from the command line, and told."""

from __future__ import annotations

import sys
from collections.abc import Callable

from edgeshift.benchmarks.studies.figures import Report, encode, merge, show
from edgeshift.benchmarks.studies.options import Settings, kept, parse, run
from edgeshift.benchmarks.studies.repeats import repeats


def report_on(module: str, description: str, measure: Callable[[Settings], Report], arguments: list[str] | None) -> int:
    """Measure, in one process or in several one after the other, and print the report.

    Args:
        module: the benchmark's own, such as "edgeshift.benchmarks.studies.overhead". description: for ``--help``.
        measure: one process's report. arguments: None: those of the process.

    Returns:
        The exit status; with ``--strict`` a missed goal is 1.
    """
    settings = parse(description, arguments, strict=True)

    def work() -> int:
        if settings.repeats == 1:
            report = measure(settings)
        else:
            with kept(settings.cache) as folder:
                report = merge(repeats(module, settings, folder, Report))
        tell(report, as_json=settings.json)
        return 1 if settings.strict and report.missed else 0

    return run(work)


def tell(report: Report, *, as_json: bool) -> None:
    """Print a report: as one JSON document, or as tables."""
    if as_json:
        sys.stdout.write(encode(report) + "\n")
        return
    from rich.console import Console

    show(report, Console())
