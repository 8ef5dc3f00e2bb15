"""User-defined strokes in a JSON file: ``{"zigzag": {"lines": [[[0, 0], [1, 0.3], [0, 0.6], [1, 1]]]}}``."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from edgeshift._system.files import read_file
from edgeshift._system.text import is_printable, printable
from edgeshift.errors import GestureError, one_line
from edgeshift.gestures.motion import AWAY, PAUSE, WANDER
from edgeshift.gestures.strokes import Stroke

#: Largest file, bytes.
MAX_BYTES = 1 << 20
MAX_LABELS = 256
#: Names that have another meaning in scripts or data sets.
RESERVED = (PAUSE, AWAY, WANDER, "none")
#: What a label must not contain, because it is also the name of a folder and a name in scripts.
NOT_IN_LABELS = re.compile(r'^-|[.,/\\:*?"<>|]')


def read_strokes(path: str | Path) -> dict[str, Stroke]:
    """Read a JSON file of strokes: ``{label: {"lines": [[[x, y], ...], ...], "seconds": [shortest, longest], ...}}``.

    Only ``lines`` is required; the other fields of ``Stroke`` have defaults. x points to the right and y down. Both are
    0 to 1 in a box.

    Raises:
        GestureError: the file cannot be read or is not JSON, or a stroke cannot be drawn. The message names the file,
            the label and the field.
    """
    path = Path(path)
    data = read_file(path, MAX_BYTES, GestureError)
    try:
        entries = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise GestureError(f"{path}: not a JSON object of strokes: {_readable(error)}") from error
    if not 0 < len(entries) <= MAX_LABELS:
        raise GestureError(f"{path}: holds {len(entries)} strokes; give 1 to {MAX_LABELS}")
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
        return msgspec.json.decode(entry, type=Stroke)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise GestureError(f"{path}: {label!r}: {_readable(error)}") from error


def _readable(error: BaseException) -> str:
    return printable(one_line(error))
