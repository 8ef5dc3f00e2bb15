"""Windows of drawn streams: a gesture that is complete, or none. For networks that answer to the newest T frames."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.description import NONE
from edgeshift.gestures import STROKES, draw_stream
from edgeshift.gestures.draw import stream_events, stream_frames
from edgeshift.gestures.motion import AWAY, PAUSE, WANDER, Action

#: Longest time from the end of a gesture to the end of its window, seconds.
LATE = 1.0
MILLISECOND = 0.001
#: Share of the windows without a gesture in which a gesture has begun, and the largest share of it that is done.
BEGUN, DONE = 0.4, 0.45


def draw_window(
    seed: int, gesture: str, *, gestures: tuple[str, ...], frames: int, spacing: float, size: int
) -> npt.NDArray[np.uint8]:
    """Draw the frames of one window.

    Args:
        seed: 0 or more. The same arguments give the same pixels.
        gesture: a name of ``STROKES``: this gesture has just been completed. ``none``: the hand rests, is away, moves
            without aim, or has begun one of ``gestures``.
        gestures: the gestures that a window without a gesture may begin with. ``none`` is ignored.
        frames: number of frames.
        spacing: seconds between frames.
        size: height and width of the frames, pixels.

    Returns:
        uint8 [frames, size, size, 3] RGB.
    """
    random = np.random.default_rng([seed, 4])
    span = frames * spacing
    before = Action(str(random.choice([AWAY, PAUSE])), span + float(random.uniform(0.1, 3)))
    begun = [name for name in gestures if name != NONE]
    if gesture != NONE:
        after = float(random.uniform(0.05, LATE))
        script = [before, _stroke(gesture, span, random), Action(PAUSE, after)]
        end = None
    elif begun and random.random() < BEGUN:
        script = [before, _stroke(begun[int(random.integers(len(begun)))], span, random)]
        (event,) = stream_events(seed, script, spacing=spacing)
        end = event.begin + float(random.uniform(0.05, DONE)) * (event.end - event.begin)
    else:
        script, end = _idle(span, random), None
    if end is None:
        end = _seconds(seed, script)
    drawn = draw_stream(seed, script, begin=max(end - span, 0.0), spacing=spacing, size=size)
    return drawn.frames[:frames]


def _stroke(gesture: str, span: float, random: np.random.Generator) -> Action:
    """Return a gesture that takes at most ``span`` seconds, or its shortest time if that is longer."""
    shortest, longest = STROKES[gesture].seconds
    low, high = np.log([shortest, max(min(longest, span), shortest)])
    return Action(gesture, float(np.exp(random.uniform(low, high))))


def _idle(span: float, random: np.random.Generator) -> list[Action]:
    """Return actions without a gesture that take longer than ``span`` seconds."""
    script, total = [], 0.0
    while total <= span + 0.5:
        script.append(Action(str(random.choice([AWAY, PAUSE, WANDER, WANDER])), float(random.uniform(0.5, 2.5))))
        total += script[-1].seconds
    return script


def _seconds(seed: int, script: list[Action]) -> float:
    """Return the duration of a stream, seconds."""
    return stream_frames(seed, script, spacing=MILLISECOND) * MILLISECOND
