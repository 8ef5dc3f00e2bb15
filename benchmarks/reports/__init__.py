"""Read reports, compare them, and show them as an HTML page or as Markdown. Importing this needs no matplotlib."""

from edgeshift.benchmarks.reports.documents import read_document
from edgeshift.benchmarks.reports.markdown import make_markdown
from edgeshift.benchmarks.reports.page import make_page

__all__ = ["make_markdown", "make_page", "read_document"]
