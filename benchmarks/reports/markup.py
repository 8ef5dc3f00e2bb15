"""HTML out of Python: whatever is not ``Markup`` is text, and is escaped. Reports are untrusted."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

#: What neither HTML nor XML can hold.
IMPOSSIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
VOID = {"meta"}


class Markup(str):
    """HTML that was made here."""

    __slots__ = ()


def tag(name: str, /, *inside: str | None, **attributes: str | None) -> Markup:
    """An element; what is None is left out. ``class_="x"`` and ``aria_label="y"`` are written as HTML has them."""
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{words} />")
    return Markup(f"<{name}{words}>{join(*inside)}</{name}>")


def join(*parts: str | None) -> Markup:
    """Parts one after the other."""
    return Markup("".join(part if isinstance(part, Markup) else text(part) for part in parts if part is not None))


def text(value: str) -> Markup:
    """Text that stays text, in an element or in quotes."""
    return Markup(html.escape(IMPOSSIBLE.sub("?", value)))


def table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """A table whose first column names its rows; numbers stand right. Too wide for the page, it scrolls by itself."""
    right = [bool(rows) and all(row[at][:1] in {*"-+0123456789"} for row in rows) for at in range(len(columns))]
    sides = ["number" if side else None for side in right]
    head = (tag("th", column, scope="col", class_=side) for column, side in zip(columns, sides, strict=True))
    body = (
        tag(
            "tr",
            tag("th", row[0], scope="row"),
            *(tag("td", cell, class_=side) for cell, side in zip(row[1:], sides[1:], strict=True)),
        )
        for row in rows
    )
    whole = tag("table", tag("caption", caption), tag("thead", tag("tr", *head)), tag("tbody", *body))
    return tag("div", whole, class_="scroll", role="region", tabindex="0", aria_label=caption)


def facts(caption: str, pairs: Sequence[tuple[str, str]]) -> Markup:
    """Name and value, a line each."""
    rows = (tag("tr", tag("th", name, scope="row"), tag("td", value)) for name, value in pairs)
    return tag("table", tag("caption", caption), tag("tbody", *rows), class_="facts")


def bullets(lines: Sequence[str], class_: str | None = None) -> Markup | None:
    """A list, if there is anything to list."""
    return tag("ul", *(tag("li", line) for line in lines), class_=class_) if lines else None
