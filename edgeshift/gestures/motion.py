"""How a fingertip moves through a whole scene: strokes, pauses, coming, going, and motion that means nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import pi

import numpy as np
import numpy.typing as npt

from edgeshift.errors import GestureError, unknown
from edgeshift.gestures.strokes import DENSE, Points, Stroke, trace

Vector = npt.NDArray[np.float64]

#: What a script may ask for besides gestures: rest where the hand is; leave the picture; move without a meaning.
PAUSE, AWAY, WANDER = "pause", "away", "wander"
#: Of the picture: where the hand may jump to between strokes without leaving.
NEAR = 0.3
#: Seconds at least from the end of a stroke to the beginning of the next.
REST = 1.0


@dataclass(frozen=True)
class Act:
    """One part of a script: a gesture's label, or ``pause``, ``away`` or ``wander``, and how many seconds it takes."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Event:
    """A gesture in a stream: seconds from the stream's beginning to where its stroke begins and is complete."""

    label: str
    begin: float
    end: float


@dataclass(frozen=True, eq=False)
class Motion:
    """The fingertip's way.

    Attributes:
        events: the strokes, in order.
        seconds: how long it is. Before it and after it the hand stays where it begins and ends.
    """

    events: tuple[Event, ...]
    times: Vector
    places: Vector

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return float(self.times[-1])

    def at(self, times: npt.NDArray[np.floating]) -> Points:
        """Where the fingertip is: float32 [..., 2], x and y in 0..1 of the picture; outside of that it is not seen."""
        return np.stack([np.interp(times, self.times, self.places[:, axis]) for axis in (0, 1)], -1).astype(np.float32)


def compose(script: Sequence[Act], strokes: Mapping[str, Stroke], random: np.random.Generator) -> Motion:
    """Move a fingertip through a script.

    A hand that is away comes in before a stroke; one that is far from where the next stroke begins leaves and comes
    back, because to draw the way there would be a gesture of its own.

    Raises:
        GestureError: an act that is neither a gesture of ``strokes`` nor one of the others, or takes no time; a
            script of more than ten hours.
    """
    for act in script:
        if act.name not in strokes and act.name not in (PAUSE, AWAY, WANDER):
            raise GestureError(unknown("gesture", act.name, [*strokes, PAUSE, AWAY, WANDER]))
        if not 0.05 <= act.seconds <= 3600:
            raise GestureError(f"{act.name!r} cannot take {act.seconds:g} s: give 0.05 to 3600")
    if (total := sum(act.seconds for act in script)) > 36_000:
        raise GestureError(f"a script of {total:g} s is too long to draw: give up to 36,000 s in all")
    pen = _Pen(random)
    events: list[Event] = []
    for act in script:
        if act.name == PAUSE:
            pen.rest(act.seconds)
        elif act.name == AWAY:
            pen.leave()
            pen.rest(act.seconds)
        elif act.name == WANDER:
            pen.enter(pen.somewhere())
            pen.follow(_wander(pen.at, random), act.seconds)
        else:
            path = _placed(strokes[act.name], random, pen.at if pen.inside else None)
            pen.enter(path[0], events[-1].end if events else None)
            begin = pen.time
            pen.follow(path, act.seconds)
            events.append(Event(act.name, begin, pen.time))
    pen.rest(0.05)
    return pen.motion(tuple(events))


def random_script(
    seconds: float, strokes: Mapping[str, Stroke], random: np.random.Generator, first: str | None = None
) -> list[Act]:
    """Acts for about so many seconds: gestures of all tempos, with idle time of all kinds between them.

    Args:
        seconds: at least.
        strokes: the gestures there are; each is as likely as the others.
        random: draws it.
        first: the first gesture, if it is to be a certain one.
    """
    labels, script, total = list(strokes), [], 0.0

    def add(name: str, least: float, most: float) -> None:
        nonlocal total
        script.append(Act(name, float(np.exp(random.uniform(np.log(least), np.log(most))))))
        total += script[-1].seconds

    kind = random.random()
    if kind < 0.3:
        add(PAUSE, 0.1, 3)
    elif kind < 0.55:
        add(AWAY, 0.1, 3)
    while total < seconds:
        label = first or labels[random.integers(len(labels))]
        first = None
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


class _Pen:
    """Puts a way together, one segment after the other."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random
        self.time = 0.0
        self.inside = False
        side = random.random() < 0.15  # hands come in from below, or from a side
        self.outside = (
            np.array([random.choice([-0.4, 1.4]), random.uniform(0.4, 1)])
            if side
            else np.array([random.uniform(0.1, 1.15), 1.4])
        )
        self.at: Vector = self.outside
        self._times: list[Vector] = []
        self._places: list[Vector] = []

    def somewhere(self) -> Vector:
        """Where the hand is, or some place in the picture if it is not in it."""
        return self.at if self.inside else self.random.uniform([0.3, 0.3], [0.7, 0.65])

    def rest(self, seconds: float) -> None:
        """Stay."""
        self._add(np.array([self.at, self.at]), seconds)

    def follow(self, path: Vector, seconds: float) -> None:
        """Along a path whose points are evenly spaced in time, at a speed that wobbles."""
        done = np.linspace(0, 1, len(path))
        done = done + self.random.uniform(-0.5, 0.5) * np.sin(2 * pi * done) / (2 * pi)
        index = done * (len(path) - 1)
        self._add(np.stack([np.interp(index, np.arange(len(path)), path[:, axis]) for axis in (0, 1)], 1), seconds)

    def go(self, to: Vector, seconds: float) -> None:
        """Straight there, slow at both ends, a little bowed."""
        part = np.linspace(0, 1, 16)[:, None]
        smooth = part * part * (3 - 2 * part)
        bow = np.array([to[1] - self.at[1], self.at[0] - to[0]]) * self.random.normal(0, 0.1)
        self._add(self.at + (to - self.at) * smooth + bow * 4 * smooth * (1 - smooth), seconds)

    def leave(self) -> None:
        """Out of the picture, if the hand is in it."""
        if self.inside:
            # About where it came from, and not nearer: none of it may show.
            away = self.outside + self.random.normal(0, 0.06, 2)
            far = np.abs(self.outside - 0.5) >= 0.85
            self.go(np.where(far, self.outside, away), self.random.uniform(0.25, 1))
            self.inside = False

    def enter(self, to: Vector, after: float | None = None) -> None:
        """To a place in the picture; from far away in it only by way of the outside.

        after: when the last stroke was complete; none begins within ``REST`` of it.
        """
        distance = float(np.linalg.norm(to - self.at))
        if self.inside and distance > NEAR:
            self.leave()
        if not (self.inside or self._times):
            # Streams begin anywhere: mostly the hand is there already.
            if self.random.random() < 0.6:
                self.at = to
            else:
                self.rest(self.random.uniform(0.05, 0.5))
        if np.any(self.at != to):
            self.go(to, self.random.uniform(0.25, 1) if not self.inside else 0.15 + 2 * distance)
        self.inside = True
        early = REST - (self.time - after) if after is not None else 0.0
        self.rest(max(early, 0.02) + (self.random.uniform(0, 0.6) if self.random.random() < 0.6 else 0.0))

    def motion(self, events: tuple[Event, ...]) -> Motion:
        return Motion(events, np.concatenate(self._times), np.concatenate(self._places))

    def _add(self, path: Vector, seconds: float) -> None:
        self._times.append(self.time + np.linspace(0, seconds, len(path)))
        self._places.append(path)
        self.time += seconds
        self.at = path[-1]


def _placed(stroke: Stroke, random: np.random.Generator, near: Vector | None) -> Vector:
    """One person's version of a stroke somewhere in the picture: float64 [256, 2].

    near: where the hand is. Half of the strokes then begin about there, if they fit.
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


def _wander(start: Vector, random: np.random.Generator) -> Vector:
    """Smooth motion from here to there without a plan: float64 [256, 2]."""
    count = int(random.integers(3, 8))
    stops = np.concatenate([[start], random.uniform([0.15, 0.15], [0.85, 0.8], (count, 2))])
    stops = start + (stops - start) * random.uniform(0.3, 1)
    at = np.linspace(0, count, DENSE)
    path = np.stack([np.interp(at, np.arange(count + 1), stops[:, axis]) for axis in (0, 1)], 1)
    reach = DENSE // (2 * count)
    padded = np.pad(path, ((reach, reach), (0, 0)), "edge")
    kernel = np.ones(2 * reach + 1) / (2 * reach + 1)
    return np.stack([np.convolve(padded[:, axis], kernel, "valid") for axis in (0, 1)], 1)
