"""Plots as SVG inside a page: drawn by matplotlib, coloured by the page, so that they follow light and dark.

matplotlib draws with stand-in colours, each of which becomes a variable of the page's style. Text stays text: it can be
read aloud, searched and selected. Nothing in it depends on the day or the machine.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edgeshift.benchmarks.reports.markup import Markup, join, tag, text
from edgeshift.errors import missing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: {stand-in: variable of the page's style}.
COLOURS = {
    "#010201": "--ink",
    "#010202": "--muted",
    "#010203": "--grid",
    "#010204": "--bad",
    **{f"#01021{index}": f"--series-{index}" for index in range(6)},
}
INK, MUTED, GRID, BAD, *SERIES = COLOURS
#: Inches; at 4.6 inches a figure is as wide as a phone held upright, and its text as large as the page's small print.
WIDTH = 4.6
SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "edgeshift",  # names in the file are hashes: of the same things the same ones
    # Names and labels come from reports: a dollar is no mathematics.
    "text.parse_math": False,
    "font.size": 10.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "figure.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "legend.labelcolor": MUTED,
    "lines.linewidth": 1.3,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
}


class Canvas:
    """A figure that is being drawn. ``svg`` is there when the block of ``drawing`` has ended."""

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        self.svg = ""

    def axes(self, rows: int = 1, heights: tuple[int, ...] | None = None) -> list[Axes]:
        """Axes one above the other, with one x axis."""
        options: Any = {"height_ratios": heights} if heights else {}
        grid: Any = self.figure.subplots(rows, 1, sharex=rows > 1, squeeze=False, **options)
        return [row[0] for row in grid]

    def legend(self, columns: int) -> None:
        """Names of the lines above the plot, where they cover nothing."""
        self.figure.legend(loc="outside upper left", ncols=columns, handlelength=1.4, columnspacing=1.2, borderpad=0.1)


@contextmanager
def drawing(height: float, width: float = WIDTH) -> Iterator[Canvas]:
    """Draw a figure of so many inches.

    Raises:
        RuntimeMissingError: no matplotlib.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing("matplotlib", "report", "a page of reports") from error
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Its own settings, not those of whoever runs it; and letters its font lacks are drawn by the reader's.
        warnings.simplefilter("ignore")
        matplotlib.rcdefaults()
        settings: Any = matplotlib.rcParams  # its stubs take settings by their names, one by one
        settings.update(SETTINGS)
        canvas = Canvas(Figure(figsize=(width, height), layout="constrained"))
        FigureCanvasSVG(canvas.figure)
        yield canvas
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        canvas.figure.savefig(buffer, format="svg", metadata=nothing)
        canvas.svg = buffer.getvalue()


def inline(svg: str, name: str, title: str, description: str, caption: str | None = None) -> Markup:
    """A drawn figure as part of a page.

    Args:
        svg: as ``Canvas`` gives it. name: of the figure, unique in the page.
        title, description: what it shows and what it says, for those who do not see it.
        caption: under it.
    """
    inside = svg[svg.index("<svg") :]
    inside = inside[inside.index(">") + 1 : inside.rindex("</svg>")]
    for cut in (r"<metadata>.*?</metadata>", r"<style .*?</style>", r"<!--.*?-->"):
        inside = re.sub(cut, "", inside, flags=re.DOTALL)
    inside = re.sub(r" font-family: [^;\"]*;", "", inside)
    inside = re.sub(r' id="', f' id="{name}-', inside)
    inside = re.sub(r' xlink:href="#', f' href="#{name}-', inside).replace("url(#", f"url(#{name}-")
    for colour, variable in COLOURS.items():
        inside = inside.replace(colour, f"var({variable})")
    found = re.search(r'viewBox="([\d. ]+)"', svg)
    assert found is not None
    whole = Markup(
        f'<svg viewBox="{found[1]}" role="img" aria-labelledby="{name}-title {name}-description">'
        f'<title id="{name}-title">{text(title)}</title><desc id="{name}-description">{text(description)}</desc>'
        f"{' '.join(inside.split())}</svg>"
    )
    return tag("figure", whole, tag("figcaption", join(tag("b", title), ". ", caption or description)))
