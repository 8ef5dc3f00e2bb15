"""Scripts as people write them: ``left, pause 2, star 4.5, away 3, wander``."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

from edgeshift.errors import GestureError, unknown
from edgeshift.gestures.motion import AWAY, PAUSE, WANDER, Act
from edgeshift.gestures.strokes import STROKES, Stroke

#: Seconds of what is no gesture, where a script does not say.
IDLE = 2.0
MAX_ACTS = 10_000


def parse_script(text: str, strokes: Mapping[str, Stroke] = STROKES) -> list[Act]:
    """Read a script: names with commas between them, each with the seconds it takes behind it, or without.

    Args:
        text: the names are gestures of ``strokes``, ``pause``, ``away`` and ``wander``. Without its seconds a
            gesture takes the geometric middle of what people take, and the others 2 s.
        strokes: the gestures there are.

    Raises:
        GestureError: a part that is empty, names nothing, or takes no sensible time. One line that names the part.
    """
    if not text.strip():
        raise GestureError('the script is empty: give parts with commas between them, as in "left, pause 2, star"')
    parts = text.split(",")
    if len(parts) > MAX_ACTS:
        raise GestureError(f"a script of {len(parts):,} parts is too long: give up to {MAX_ACTS:,}")
    return [_act(" ".join(part.split()), number, strokes) for number, part in enumerate(parts, 1)]


def _act(part: str, number: int, strokes: Mapping[str, Stroke]) -> Act:
    """One part, its white space tidied. number: from 1, for the message."""
    if not part:
        raise GestureError(f"part {number} of the script is empty: take out the comma, or name a gesture")
    names = (*strokes, PAUSE, AWAY, WANDER)
    if part in names:  # first, because a label may end in a number
        return Act(part, _middle(strokes[part]) if part in strokes else IDLE)
    name, _, last = part.rpartition(" ")
    if name not in names:
        name = name if name and _number(last) is not None else part
        raise GestureError(f"part {number} of the script: {unknown('gesture', name, names)}")
    seconds = _number(last)
    if seconds is None or not 0.05 <= seconds <= 3600:
        raise GestureError(f"part {number} of the script, {part!r}: {last!r} is not a time of 0.05 to 3600 seconds")
    return Act(name, seconds)


def _middle(stroke: Stroke) -> float:
    """The geometric middle: as many take longer as take less."""
    return sqrt(stroke.seconds[0] * stroke.seconds[1])


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
