"""User-defined strokes in a JSON file: ``{"zigzag": {"lines": [[[0, 0], [1, 0.3], [0, 0.6], [1, 1]]]}}``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from edgeshift._system.text import is_printable, printable
from edgeshift.errors import GestureError, one_line
from edgeshift.gestures.motion import AWAY, PAUSE, WANDER
from edgeshift.gestures.strokes import Stroke

#: Largest file, bytes.
MAX_BYTES = 1 << 20
MAX_LABELS = 256
#: Largest number of points of one stroke. The variations of a stroke blur finer details.
MAX_POINTS = 256
#: Names that have another meaning in scripts or data sets.
RESERVED = (PAUSE, AWAY, WANDER, "none")
#: A label is also used as the name of a folder and as a name in scripts.
NOT_IN_LABELS = re.compile(r'^-|[.,/\\:*?"<>|]')

Coordinate = Annotated[float, Meta(ge=0, le=1)]
Share = Annotated[float, Meta(ge=0.05, le=0.94)]
Seconds = Annotated[float, Meta(ge=0.1, le=60)]
Line = Annotated[list[tuple[Coordinate, Coordinate]], Meta(min_length=2, max_length=MAX_POINTS)]


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stroke of the file: the fields of ``Stroke``, with their defaults."""

    lines: Annotated[list[Line], Meta(min_length=1, max_length=MAX_POINTS)]
    ring: bool = False
    width: tuple[Share, Share] = (0.32, 0.66)
    height: tuple[Share, Share] = (0.32, 0.66)
    seconds: tuple[Seconds, Seconds] = (1.2, 5.0)

    def __post_init__(self) -> None:
        for name, (least, most) in (("width", self.width), ("height", self.height), ("seconds", self.seconds)):
            if least > most:
                raise ValueError(
                    f"{name} gives the smallest and the largest value, but {least:g} is more than {most:g}"
                )
        points = [point for line in self.lines for point in line]
        if len(points) > MAX_POINTS:
            raise ValueError(f"{len(points)} points are too many; give up to {MAX_POINTS}")
        if max(max(axis) - min(axis) for axis in zip(*points, strict=True)) < 0.1:
            raise ValueError("the stroke is too small: let it span at least 0.1 of its box")
        # Points computed with sines and cosines meet only to within rounding.
        closed = max(abs(first - last) for first, last in zip(points[0], points[-1], strict=True)) < 1e-6
        if self.ring and not (closed and len(self.lines) == 1 and len(points) >= 4):
            raise ValueError("a ring must be one line of 4 points or more that ends where it begins")


def read_strokes(path: str | Path) -> dict[str, Stroke]:
    """Read a JSON file of strokes: ``{label: {"lines": [[[x, y], ...], ...], "seconds": [shortest, longest], ...}}``.

    Only ``lines`` is required; the other fields of ``Stroke`` have defaults. x points to the right, y down; both are 0
    to 1 in a box.

    Raises:
        GestureError: the file cannot be read or is not JSON, or a stroke cannot be drawn. The message names the file,
            the label and the field.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise GestureError(f"{path}: cannot read strokes: {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise GestureError(f"{path}: too large for a file of strokes; the limit is {MAX_BYTES:,} bytes")
    try:
        entries = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise GestureError(f"{path}: not a JSON object of strokes: {_readable(error)}") from error
    if not 0 < len(entries) <= MAX_LABELS:
        raise GestureError(f"{path}: {len(entries)} strokes; give 1 to {MAX_LABELS}")
    return {label: _stroke(label, entry, path) for label, entry in entries.items()}


def _stroke(label: str, entry: msgspec.Raw, path: Path) -> Stroke:
    if not is_printable(label, longest=48) or label != " ".join(label.split()):
        raise GestureError(f"{path}: {label[:60]!r} is not a label: give 1 to 48 printable characters")
    if NOT_IN_LABELS.search(label):
        raise GestureError(
            f"{path}: {label!r} is not a label, because labels are also names of folders: leave out . , / \\ : * ? "
            '" < > | and a hyphen at the beginning'
        )
    if label.casefold() in RESERVED:
        raise GestureError(
            f"{path}: {label!r} has another meaning in scripts or data sets: give the gesture another label"
        )
    try:
        parsed = msgspec.json.decode(entry, type=_Entry)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise GestureError(f"{path}: {label!r}: {_readable(error)}") from error
    return Stroke(parsed.lines, parsed.ring, parsed.width, parsed.height, parsed.seconds)


def _readable(error: BaseException) -> str:
    return printable(one_line(error))
