"""One self-contained HTML page of reports. Importing it needs no matplotlib."""

from edgeshift.benchmarks.page.document import make_page

__all__ = ["make_page"]
