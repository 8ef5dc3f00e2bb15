"""The path of a fingertip through a whole stream: strokes, rests, aimless motion, entering and leaving the frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import pi

import numpy as np
import numpy.typing as npt

from edgeshift.errors import GestureError, unknown
from edgeshift.gestures.strokes import PATH_POINTS, Points, Stroke, interpolate, smooth, trace

Vector = npt.NDArray[np.float64]

#: The actions of a script that are not gestures: the hand rests where it is, leaves the frame, or moves aimlessly.
PAUSE, AWAY, WANDER = "pause", "away", "wander"
#: Largest distance that the hand moves between two strokes without leaving the frame, as a share of the frame.
NEAR = 0.3
#: Shortest time between the end of a stroke and the beginning of the next, seconds.
REST = 1.0


@dataclass(frozen=True)
class Action:
    """One action of a script.

    Attributes:
        name: the label of a gesture, or ``pause``, ``away`` or ``wander``.
        seconds: duration of the action.
    """

    name: str
    seconds: float


@dataclass(frozen=True)
class Event:
    """A gesture in a stream.

    Attributes:
        label: the gesture.
        begin: seconds from the beginning of the stream to the beginning of the stroke.
        end: seconds from the beginning of the stream to the moment at which the stroke is complete.
    """

    label: str
    begin: float
    end: float


@dataclass(frozen=True, eq=False)
class Motion:
    """The path of a fingertip through a stream. The hand rests before its beginning and after its end.

    Attributes:
        events: the strokes, in order.
        times: float64 [P], seconds, rising.
        positions: float64 [P, 2], the fingertip's x and y at these times.
    """

    events: tuple[Event, ...]
    times: Vector
    positions: Vector

    @property
    def seconds(self) -> float:
        """Duration of the path."""
        return float(self.times[-1])

    def at(self, times: npt.NDArray[np.floating]) -> Points:
        """Return the fingertip's positions: float32 [..., 2]. Those within 0 to 1 are in the frame."""
        axes = [np.interp(times, self.times, self.positions[:, axis]) for axis in (0, 1)]
        return np.stack(axes, -1).astype(np.float32)


def compose(script: Sequence[Action], strokes: Mapping[str, Stroke], random: np.random.Generator) -> Motion:
    """Return the path of a fingertip that performs a script.

    If the hand is away, it enters the frame before a stroke. If it is far from the beginning of the next stroke, it
    leaves the frame and enters again, because a long move inside the frame would look like a gesture.

    Args:
        script: the actions, in order.
        strokes: the gestures, by label.
        random: generator of the variations.

    Raises:
        GestureError: an action is unknown, an action's time is out of range, or the script takes more than ten hours.
    """
    for action in script:
        if action.name not in strokes and action.name not in (PAUSE, AWAY, WANDER):
            raise GestureError(unknown("gesture", action.name, [*strokes, PAUSE, AWAY, WANDER]))
        if not 0.05 <= action.seconds <= 3600:
            raise GestureError(f"{action.name!r} cannot take {action.seconds:g} s: give 0.05 to 3600")
    if (total := sum(action.seconds for action in script)) > 36_000:
        raise GestureError(f"a script of {total:g} s is too long to draw: give up to 36,000 s in all")
    path = _Path(random)
    events: list[Event] = []
    for action in script:
        if action.name == PAUSE:
            path.rest(action.seconds)
        elif action.name == AWAY:
            path.leave()
            path.rest(action.seconds)
        elif action.name == WANDER:
            path.enter(path.position_or_random())
            path.follow(_aimless(path.position, random), action.seconds)
        else:
            stroke = _vary(strokes[action.name], random, path.position if path.inside else None)
            path.enter(stroke[0], events[-1].end if events else None)
            begin = path.time
            path.follow(stroke, action.seconds)
            events.append(Event(action.name, begin, path.time))
    path.rest(0.05)
    return path.motion(tuple(events))


class _Path:
    """A path that is built one segment after the other.

    Attributes:
        time: time at the present end of the path, seconds.
        position: x and y at the present end of the path.
        inside: whether the hand is in the frame.
    """

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random
        self.time = 0.0
        self.inside = False
        side = random.random() < 0.15  # the hand enters from below or from a side
        self.outside = (
            np.array([random.choice([-0.4, 1.4]), random.uniform(0.4, 1)])
            if side
            else np.array([random.uniform(0.1, 1.15), 1.4])
        )
        self.position: Vector = self.outside
        self._times: list[Vector] = []
        self._positions: list[Vector] = []

    def position_or_random(self) -> Vector:
        """Return the position of the hand, or a random position if it is not in the frame."""
        return self.position if self.inside else self.random.uniform([0.3, 0.3], [0.7, 0.65])

    def rest(self, seconds: float) -> None:
        """Stay where the hand is."""
        self._add(np.array([self.position, self.position]), seconds)

    def follow(self, path: Vector, seconds: float) -> None:
        """Move along a path whose points are evenly spaced in time, at a varying speed."""
        done = np.linspace(0, 1, len(path))
        done = done + self.random.uniform(-0.5, 0.5) * np.sin(2 * pi * done) / (2 * pi)
        index = done * (len(path) - 1)
        self._add(interpolate(path, index), seconds)

    def move_to(self, to: Vector, seconds: float) -> None:
        """Move to a position along a slight curve, slowly at both ends."""
        part = np.linspace(0, 1, 16)[:, None]
        eased = part * part * (3 - 2 * part)
        start = self.position
        bow = np.array([to[1] - start[1], start[0] - to[0]]) * self.random.normal(0, 0.1)
        self._add(start + (to - start) * eased + bow * 4 * eased * (1 - eased), seconds)

    def leave(self) -> None:
        """Leave the frame, if the hand is in it."""
        if self.inside:
            # The hand leaves to about where it came from. The coordinate that is outside of the frame is not changed,
            # so that no part of the hand stays visible.
            away = self.outside + self.random.normal(0, 0.06, 2)
            far = np.abs(self.outside - 0.5) >= 0.85
            self.move_to(np.where(far, self.outside, away), self.random.uniform(0.25, 1))
            self.inside = False

    def enter(self, to: Vector, after: float | None = None) -> None:
        """Move to a position in the frame. If it is far away, leave the frame and enter again.

        ``after`` is the end of the last stroke in seconds; the hand then rests until ``REST`` seconds after it.
        """
        distance = float(np.linalg.norm(to - self.position))
        if self.inside and distance > NEAR:
            self.leave()
        if not (self.inside or self._times):
            # At the beginning of a stream the hand is mostly in the frame already.
            if self.random.random() < 0.6:
                self.position = to
            else:
                self.rest(self.random.uniform(0.05, 0.5))
        if np.any(self.position != to):
            self.move_to(to, self.random.uniform(0.25, 1) if not self.inside else 0.15 + 2 * distance)
        self.inside = True
        missing = REST - (self.time - after) if after is not None else 0.0
        self.rest(max(missing, 0.02) + (self.random.uniform(0, 0.6) if self.random.random() < 0.6 else 0.0))

    def motion(self, events: tuple[Event, ...]) -> Motion:
        """Return the complete path."""
        return Motion(events, np.concatenate(self._times), np.concatenate(self._positions))

    def _add(self, path: Vector, seconds: float) -> None:
        self._times.append(self.time + np.linspace(0, seconds, len(path)))
        self._positions.append(path)
        self.time += seconds
        self.position = path[-1]


def _vary(stroke: Stroke, random: np.random.Generator, near: Vector | None) -> Vector:
    """Return one person's version of a stroke, at a random position in the frame: float64 [256, 2].

    ``near`` is the position of a hand that is in the frame. About half of the strokes then begin near it.
    """
    path = trace(stroke, random)
    extent = np.array([random.uniform(*stroke.width), random.uniform(*stroke.height)])
    centre = np.array([random.uniform(0.42, 0.6), random.uniform(0.34, 0.58)])
    placed: Vector = centre + (path - 0.5) * extent
    if near is not None and random.random() < 0.5:
        moved = placed + (near + random.normal(0, 0.05, 2) - placed[0])
        least, most = moved.min(0), moved.max(0)
        moved += np.maximum(0.08 - least, 0) - np.maximum(most - 0.9, 0)
        if np.all(np.abs(moved.mean(0) - [0.5, 0.46]) < [0.2, 0.22]):
            placed = moved
    return np.clip(placed, 0.03, 0.97)


def _aimless(start: Vector, random: np.random.Generator) -> Vector:
    """Return smooth aimless motion through a few random points: float64 [256, 2]."""
    count = int(random.integers(3, 8))
    stops = np.concatenate([[start], random.uniform([0.15, 0.15], [0.85, 0.8], (count, 2))])
    stops = start + (stops - start) * random.uniform(0.3, 1)
    at = np.linspace(0, count, PATH_POINTS)
    return smooth(interpolate(stops, at), PATH_POINTS // (2 * count))
