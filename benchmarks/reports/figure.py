"""Plots by matplotlib: as SVG that takes its colours from the page's style, or as a PNG file.

Every colour of a plot is one of ``COLOURS``. In a page each becomes a CSS variable, so that plots follow light and dark
mode. Text stays text, which can be read aloud, searched and selected. The same data gives the same bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from edgeshift.errors import missing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: {colour in light mode: CSS variable of the page}.
COLOURS = {
    "#1b1d22": "--ink",
    "#575b65": "--muted",
    "#dcdee3": "--grid",
    "#b3261e": "--bad",
    "#2563b4": "--series-0",
    "#b4540a": "--series-1",
    "#1e7d4f": "--series-2",
    "#9a3a86": "--series-3",
    "#0d7680": "--series-4",
    "#7a5c10": "--series-5",
}
INK, MUTED, GRID, BAD, *SERIES = COLOURS
#: Width of a figure, inches. It fits a phone that is held upright, with text as large as the captions of the page.
WIDTH = 4.6
STYLE = Path(__file__).with_name("templates") / "plots.mplstyle"


class Drawing(msgspec.Struct, frozen=True, kw_only=True):
    """A plot as the page's template inserts it.

    Attributes:
        name: prefix of every id in the plot, unique in the page.
        view_box: the SVG's viewBox, in points.
        content: SVG elements. matplotlib has escaped their text.
        wide: whether the plot is wider than a column of the page, so that it scrolls on a narrow screen.
    """

    name: str
    view_box: str
    content: str
    wide: bool


class Canvas(NamedTuple):
    """A figure while it is drawn."""

    figure: Figure

    def axes(self, *heights: int) -> list[Axes]:
        """Return axes of these relative heights below each other, which share their x axis; by default one."""
        options: Any = {"height_ratios": heights or (1,), "sharex": len(heights) > 1, "squeeze": False}
        return [row[0] for row in self.figure.subplots(max(1, len(heights)), 1, **options)]

    def legend(self, columns: int) -> None:
        """Place the legend above the plot, where it covers no data."""
        self.figure.legend(loc="outside upper left", ncols=columns, handlelength=1.4, columnspacing=1.2, borderpad=0.1)

    def drawing(self, name: str) -> Drawing:
        """Return the figure for a page; ``name`` is unique in that page."""
        buffer = io.StringIO()
        self.figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
        return _drawing(buffer.getvalue(), name)

    def write_png(self, path: Path) -> None:
        """Write the figure as PNG on white."""
        self.figure.savefig(path, format="png", dpi=160, facecolor="white", metadata={"Software": None})


@contextmanager
def canvas(height: float, width: float = WIDTH) -> Iterator[Canvas]:
    """Open a figure of the given size in inches; its drawing or its file is made before the block ends.

    Raises:
        RuntimeMissingError: matplotlib is not installed.
    """
    require_matplotlib("drawing a plot")
    import matplotlib
    from matplotlib.figure import Figure

    # Defaults and this style only: the user's own settings of matplotlib must not change a report.
    style = matplotlib.rc_params_from_file(STYLE, fail_on_error=True, use_default_template=True)
    with matplotlib.rc_context(style), warnings.catch_warnings():
        # Letters that matplotlib's font lacks cause warnings, but in a page the reader's fonts show them.
        warnings.simplefilter("ignore")
        yield Canvas(Figure(figsize=(width, height), layout="constrained"))


def require_matplotlib(why: str) -> None:
    """Raise RuntimeMissingError if matplotlib is not installed; ``why`` names the work that needs it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise missing("matplotlib", "report", why) from error


def shorten(text: str, limit: int) -> str:
    """Cut a text to a length. Its end is kept, because similar names often differ there."""
    if len(text) <= limit:
        return text
    tail = limit // 4
    return f"{text[: limit - tail - 3]}...{text[-tail:]}"


def _drawing(svg: str, name: str) -> Drawing:
    """Return the elements of an SVG file, with ids that are unique in the page and colours that its style defines."""
    view_box = re.search(r'viewBox="([\d. ]+)"', svg)
    assert view_box is not None
    content = svg[svg.index("<svg") :]
    content = content[content.index(">") + 1 : content.rindex("</svg>")]
    for removed in (r"<metadata>.*?</metadata>", r"<style .*?</style>", r"<!--.*?-->"):
        content = re.sub(removed, "", content, flags=re.DOTALL)
    content = re.sub(r" font-family: [^;\"]*;", "", content)
    content = re.sub(r' id="', f' id="{name}-', content)
    content = re.sub(r' xlink:href="#', f' href="#{name}-', content).replace("url(#", f"url(#{name}-")
    for colour, variable in COLOURS.items():
        content = content.replace(f": {colour}", f": var({variable})")
    wide = float(view_box[1].split()[2]) > 1.3 * 72 * WIDTH
    return Drawing(name=name, view_box=view_box[1], content=" ".join(content.split()), wide=wide)
