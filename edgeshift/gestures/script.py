"""Scripts of the actions of a drawn hand: read from text such as ``left, pause 2, star 4.5, away 3``, or random."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod, sqrt

import numpy as np

from edgeshift.errors import GestureError, unknown
from edgeshift.gestures.motion import AWAY, PAUSE, REST, WANDER, Action
from edgeshift.gestures.strokes import STROKES, Stroke

#: Seconds of an action that is not a gesture, if the script does not give its time.
IDLE_SECONDS = 2.0
MAX_ACTIONS = 10_000


def parse_script(text: str, strokes: Mapping[str, Stroke] = STROKES) -> list[Action]:
    """Read a script: actions separated by commas. Each action is a name that may be followed by its seconds.

    Args:
        text: the script. A name is a gesture of ``strokes``, ``pause``, ``away`` or ``wander``. Without seconds, a
            gesture takes the geometric mean of the shortest and the longest time of its stroke, and other actions 2 s.
        strokes: the gestures, by label.

    Raises:
        GestureError: an action is empty or unknown, or its time is out of range. The message names the action.
    """
    if not text.strip():
        raise GestureError('the script is empty: give actions separated by commas, as in "left, pause 2, star"')
    parts = text.split(",")
    if len(parts) > MAX_ACTIONS:
        raise GestureError(f"a script of {len(parts):,} actions is too long: give up to {MAX_ACTIONS:,}")
    return [_action(" ".join(part.split()), number, strokes) for number, part in enumerate(parts, 1)]


def random_script(seconds: float, strokes: Mapping[str, Stroke], random: np.random.Generator) -> list[Action]:
    """Return a random script: fast and slow gestures, with rests, absence or aimless motion between them.

    Args:
        seconds: shortest duration of the script.
        strokes: the gestures, by label. All are equally likely.
        random: generator of the script.
    """
    labels, script, total = list(strokes), [], 0.0

    def add(name: str, shortest: float, longest: float) -> None:
        nonlocal total
        script.append(Action(name, float(np.exp(random.uniform(np.log(shortest), np.log(longest))))))
        total += script[-1].seconds

    kind = random.random()
    if kind < 0.3:
        add(PAUSE, 0.1, 3)
    elif kind < 0.55:
        add(AWAY, 0.1, 3)
    while total < seconds:
        label = labels[random.integers(len(labels))]
        add(label, *strokes[label].seconds)
        kind = random.random()
        if kind < 0.45:
            add(PAUSE, 0.2, 4)
        if 0.3 < kind < 0.8:
            add(AWAY, 0.2, 5)
        elif kind >= 0.88:
            add(PAUSE, REST, 2)
            add(WANDER, 1, 4)
            add(AWAY, 0.2, 2)
    return script


def _action(part: str, number: int, strokes: Mapping[str, Stroke]) -> Action:
    """Read action ``number`` of a script, whose words are separated by single spaces."""
    if not part:
        raise GestureError(f"action {number} of the script is empty: remove the comma, or name a gesture")
    names = (*strokes, PAUSE, AWAY, WANDER)
    if part in names:  # this comes first because a label may end in a number
        return Action(part, sqrt(prod(strokes[part].seconds)) if part in strokes else IDLE_SECONDS)
    name, _, last = part.rpartition(" ")
    if name not in names:
        name = name if name and _number(last) is not None else part
        raise GestureError(f"action {number} of the script: {unknown('gesture', name, names)}")
    seconds = _number(last)
    if seconds is None or not 0.05 <= seconds <= 3600:
        raise GestureError(f"action {number} of the script, {part!r}: {last!r} is not a time of 0.05 to 3600 seconds")
    return Action(name, seconds)


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
