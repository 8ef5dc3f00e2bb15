"""What each gesture's fingertip does: strokes as data, and how a person varies them.

A new gesture is a new path: ``Stroke([[(0, 0), (1, 1)]])``. Nothing else needs to know about it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import cos, pi, sin

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float32]
"""float32 [..., 2]: x to the right, y down."""

DENSE = 256  # points of a whole trace


@dataclass(frozen=True)
class Stroke:
    """The path of a fingertip in a unit box, as the camera sees it: x to the right, y down.

    Attributes:
        lines: polylines of (x, y) corners. Between two of them the finger moves straight on, as if lifted.
        ring: one smooth closed curve, which people begin anywhere and do not close exactly.
        width, height: the least and the most that the box takes of the picture.
        seconds: the least and the most that people take to draw it.
    """

    lines: list[list[tuple[float, float]]]
    ring: bool = False
    width: tuple[float, float] = field(default=(0.32, 0.66))
    height: tuple[float, float] = field(default=(0.32, 0.66))
    seconds: tuple[float, float] = field(default=(1.2, 5.0))


def _straight(*line: tuple[float, float]) -> Stroke:
    return Stroke([list(line)], width=(0.44, 0.8), height=(0.4, 0.74), seconds=(0.7, 4.0))


# The circle begins at its upper right and runs counter-clockwise for the one who watches the picture.
_CIRCLE = [(0.5 + 0.5 * cos(pi / 4 + 2 * pi * i / 32), 0.5 - 0.5 * sin(pi / 4 + 2 * pi * i / 32)) for i in range(33)]

STROKES: dict[str, Stroke] = {
    "left": _straight((1, 0.5), (0, 0.5)),
    "right": _straight((0, 0.5), (1, 0.5)),
    "up": _straight((0.5, 1), (0.5, 0)),
    "down": _straight((0.5, 0), (0.5, 1)),
    "circle": Stroke([_CIRCLE], ring=True, seconds=(1.5, 6.0)),
    "square": Stroke([[(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]], seconds=(2.2, 7.5)),
    "tick": Stroke([[(0, 0.5), (0.35, 1), (1, 0)]], seconds=(1.0, 4.2)),
    "caret": Stroke([[(0, 1), (0.5, 0), (1, 1)]], seconds=(1.0, 4.2)),
    "x": Stroke([[(0, 0), (1, 1)], [(0, 1), (1, 0)]], seconds=(1.8, 6.0)),
    "star": Stroke([[(0.18, 1), (0.5, 0), (0.82, 1), (0, 0.38), (1, 0.38), (0.18, 1)]], seconds=(3.0, 9.0)),
}
LABELS = tuple(STROKES)


def trace(stroke: Stroke, random: np.random.Generator) -> Points:
    """One person's version of a stroke: float32 [256, 2] in the unit box, evenly spaced in time."""
    corners = np.array([corner for line in stroke.lines for corner in line])
    if stroke.ring:
        # Where it begins and how far it runs, in turns: up to a sixth either way.
        begin, turns = random.uniform(-0.16, 0.16), random.uniform(0.9, 1.16)
        turn = np.linspace(begin, begin + turns, DENSE) % 1 * (len(corners) - 1)
        path = _at(corners, turn) + np.linspace(-0.5, 0.5, DENSE)[:, None] * random.normal(0, 0.08, 2)
    else:
        corners = corners + random.normal(0, 0.05 if len(corners) > 2 else 0.02, corners.shape)
        path = _along(corners, random)
    tilt = random.normal(0, 0.1)
    rotation = np.array([[cos(tilt), sin(tilt)], [-sin(tilt), cos(tilt)]])
    turned: Points = ((path - 0.5) @ rotation + 0.5).astype(np.float32)
    return turned


def move(stroke: Stroke, frames: int, random: np.random.Generator) -> tuple[Points, npt.NDArray[np.float64]]:
    """Where the fingertip is while each frame is exposed.

    Returns:
        float32 [frames, 3, 2]: at the opening, the middle and the closing of the shutter; x and y in 0..1 of the
        picture. The hand rests for a while before and after, and does not keep an even speed.
        float64 [frames]: how much of the stroke is done, 0..1.
    """
    path = trace(stroke, random)
    extent = np.array([random.uniform(*stroke.width), random.uniform(*stroke.height)])
    centre = np.array([random.uniform(0.42, 0.6), random.uniform(0.34, 0.58)])
    rests = random.uniform(0, 0.15, 2) * (random.random(2) < 0.8)
    if random.random() < 0.15:
        rests[random.integers(2)] = random.uniform(0.15, 0.3)
    # One frame somewhere in the middle of each of the clip's equal parts. A clip lasts some two or three seconds,
    # so a shutter is open for a hundredth of it, give or take.
    when = (np.arange(frames) + random.uniform(0.25, 0.75) + random.uniform(-0.2, 0.2, frames)) / frames
    exposure = min(random.uniform(0.003, 0.02), 0.9 / frames)
    times = when[:, None] + np.array([-0.5, 0, 0.5]) * exposure
    done = np.clip((times - rests[0]) / (1 - rests.sum()), 0, 1)
    drawn = done[:, 1]
    done = done + random.uniform(-0.5, 0.5) * np.sin(2 * pi * done) / (2 * pi)
    tremor = np.cumsum(random.normal(0, 0.003, (frames, 1, 2)), 0) + random.normal(0, 0.004, (frames, 1, 2))
    place = centre + (_at(path, done * (DENSE - 1)) - 0.5) * extent + tremor
    track: Points = np.clip(place, 0.03, 0.97).astype(np.float32)
    return track, drawn


def _along(corners: npt.NDArray[np.float64], random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Along a polyline: bowed sides, rounded corners, slower at the corners."""
    sides = np.diff(corners, axis=0)
    time = np.linalg.norm(sides, axis=1) ** random.uniform(0.6, 1.1)  # long sides are drawn faster
    ends = np.concatenate([[0], np.cumsum(time) / time.sum()])
    at = np.linspace(0, 1, DENSE)
    side = np.clip(np.searchsorted(ends, at, "right") - 1, 0, len(sides) - 1)
    part = (at - ends[side]) / np.diff(ends)[side]
    part += random.uniform(0, 1) * (part * part * (3 - 2 * part) - part)
    bow = random.normal(0, 0.05, len(sides))[side] * 4 * part * (1 - part)
    normal = np.stack([-sides[:, 1], sides[:, 0]], 1)[side]
    path: npt.NDArray[np.float64] = corners[side] + sides[side] * part[:, None] + normal * bow[:, None]
    if len(sides) > 1:
        reach = int(random.uniform(0, 0.16) * DENSE / len(sides))
        kernel = np.ones(2 * reach + 1) / (2 * reach + 1)
        padded = np.pad(path, ((reach, reach), (0, 0)), "edge")
        path = np.stack([np.convolve(padded[:, axis], kernel, "valid") for axis in (0, 1)], 1)
    return path


def _at(points: npt.NDArray[np.floating], index: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Points at fractional indices of any shape."""
    return np.stack([np.interp(index, np.arange(len(points)), points[:, axis]) for axis in (0, 1)], -1)
