"""The strokes of the gestures as data, and the variations with which different people draw them.

A new gesture is one new entry in ``STROKES``, such as ``Stroke([[(0, 0), (1, 1)]])``.
"""

from __future__ import annotations

from math import cos, pi, sin
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

Points = npt.NDArray[np.float32]
"""float32 [..., 2]: x to the right, y down."""

#: Number of points of the path of a whole stroke.
PATH_POINTS = 256
#: Largest number of points of one stroke. Finer details would be lost in the variations of the stroke.
MAX_POINTS = 256
Coordinate = Annotated[float, Meta(ge=0, le=1)]
Line = Annotated[list[tuple[Coordinate, Coordinate]], Meta(min_length=2, max_length=MAX_POINTS)]
Share = Annotated[float, Meta(ge=0.05, le=0.94)]
Seconds = Annotated[float, Meta(ge=0.1, le=60)]


class Stroke(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The path of a fingertip in a unit box, as the camera sees it: x to the right, y down.

    Attributes:
        lines: polylines of (x, y) corners. The finger moves straight from the end of one to the beginning of the next.
        ring: whether the stroke is one smooth closed curve. People begin it anywhere and do not close it exactly.
        width: smallest and largest width of the box, as a share of the frame.
        height: smallest and largest height of the box, as a share of the frame.
        seconds: shortest and longest time to draw the stroke.

    Raises:
        ValueError: the stroke is too small, has too many points, or is a ring that is not closed.
    """

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


def _straight(*line: tuple[float, float]) -> Stroke:
    return Stroke([list(line)], width=(0.44, 0.8), height=(0.4, 0.74), seconds=(0.7, 4.0))


# The circle begins at its upper right and runs counter-clockwise in the frame.
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
    """Return one person's version of a stroke: float32 [256, 2] in the unit box, evenly spaced in time."""
    corners = np.array([corner for line in stroke.lines for corner in line])
    if stroke.ring:
        # Start and length in turns. The start is up to a sixth of a turn before or after the usual one.
        begin, turns = random.uniform(-0.16, 0.16), random.uniform(0.9, 1.16)
        turn = np.linspace(begin, begin + turns, PATH_POINTS) % 1 * (len(corners) - 1)
        path = interpolate(corners, turn) + np.linspace(-0.5, 0.5, PATH_POINTS)[:, None] * random.normal(0, 0.08, 2)
    else:
        corners = corners + random.normal(0, 0.05 if len(corners) > 2 else 0.02, corners.shape)
        path = _path_along(corners, random)
    tilt = random.normal(0, 0.1)
    rotation = np.array([[cos(tilt), sin(tilt)], [-sin(tilt), cos(tilt)]])
    turned: Points = ((path - 0.5) @ rotation + 0.5).astype(np.float32)
    return turned


def move(stroke: Stroke, frames: int, random: np.random.Generator) -> tuple[Points, npt.NDArray[np.float64]]:
    """Return the positions of the fingertip in the frames of a clip of one stroke.

    The hand rests for a while before and after the stroke, and its speed varies.

    Args:
        stroke: the stroke to draw.
        frames: number of frames, evenly spread over the clip.
        random: generator of the variations.

    Returns:
        The positions, float32 [frames, 3, 2], when the shutter of a frame opens, halfway, and when it closes. x and y
        are 0 to 1 in the frame.
        The completed share of the stroke in each frame, float64 [frames], 0 to 1.
    """
    path = trace(stroke, random)
    extent = np.array([random.uniform(*stroke.width), random.uniform(*stroke.height)])
    centre = np.array([random.uniform(0.42, 0.6), random.uniform(0.34, 0.58)])
    rests = random.uniform(0, 0.15, 2) * (random.random(2) < 0.8)
    if random.random() < 0.15:
        rests[random.integers(2)] = random.uniform(0.15, 0.3)
    # The clip is divided into equal parts, and each frame is taken near the middle of its part. Times are shares of the
    # clip, which lasts two or three seconds. So the shutter is open for about a hundredth of the clip.
    when = (np.arange(frames) + random.uniform(0.25, 0.75) + random.uniform(-0.2, 0.2, frames)) / frames
    exposure = min(random.uniform(0.003, 0.02), 0.9 / frames)
    times = when[:, None] + np.array([-0.5, 0, 0.5]) * exposure
    done = np.clip((times - rests[0]) / (1 - rests.sum()), 0, 1)
    drawn = done[:, 1]
    done = done + random.uniform(-0.5, 0.5) * np.sin(2 * pi * done) / (2 * pi)
    tremor = np.cumsum(random.normal(0, 0.003, (frames, 1, 2)), 0) + random.normal(0, 0.004, (frames, 1, 2))
    position = centre + (interpolate(path, done * (PATH_POINTS - 1)) - 0.5) * extent + tremor
    track: Points = np.clip(position, 0.03, 0.97).astype(np.float32)
    return track, drawn


def _path_along(corners: npt.NDArray[np.float64], random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return the path along a polyline, with slightly curved sides, rounded corners, and a lower speed at corners."""
    sides = np.diff(corners, axis=0)
    time = np.linalg.norm(sides, axis=1) ** random.uniform(0.6, 1.1)  # longer sides are drawn faster
    ends = np.concatenate([[0], np.cumsum(time) / time.sum()])
    at = np.linspace(0, 1, PATH_POINTS)
    side = np.clip(np.searchsorted(ends, at, "right") - 1, 0, len(sides) - 1)
    part = (at - ends[side]) / np.diff(ends)[side]
    part += random.uniform(0, 1) * (part * part * (3 - 2 * part) - part)
    bow = random.normal(0, 0.05, len(sides))[side] * 4 * part * (1 - part)
    normal = np.stack([-sides[:, 1], sides[:, 0]], 1)[side]
    path: npt.NDArray[np.float64] = corners[side] + sides[side] * part[:, None] + normal * bow[:, None]
    if len(sides) > 1:
        return smooth(path, int(random.uniform(0, 0.16) * PATH_POINTS / len(sides)))
    return path


def interpolate(points: npt.NDArray[np.floating], index: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the points at fractional indices of any shape, by linear interpolation."""
    return np.stack([np.interp(index, np.arange(len(points)), points[:, axis]) for axis in (0, 1)], -1)


def smooth(path: npt.NDArray[np.float64], reach: int) -> npt.NDArray[np.float64]:
    """Return the moving average of a path, float64 [P, 2], over ``reach`` points on each side."""
    kernel = np.ones(2 * reach + 1) / (2 * reach + 1)
    padded = np.pad(path, ((reach, reach), (0, 0)), "edge")
    return np.stack([np.convolve(padded[:, axis], kernel, "valid") for axis in (0, 1)], 1)
