"""One self-contained HTML page of reports. Importing it needs no matplotlib."""

from edgeshift.benchmarks.reports.page import make_page

__all__ = ["make_page"]
