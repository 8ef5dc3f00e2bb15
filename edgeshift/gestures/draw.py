"""Draw clips and streams of gestures: a hand that moves in front of a background. A seed determines every pixel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeshift.errors import GestureError, unknown
from edgeshift.gestures.motion import Action, Event, Motion, compose
from edgeshift.gestures.render import Renderer
from edgeshift.gestures.script import random_script
from edgeshift.gestures.strokes import STROKES, Points, Stroke, move

#: Seconds between the frames of drawn streams, and so of the networks that are trained on them.
SPACING = 0.25


@dataclass(frozen=True, eq=False)
class Clip:
    """A drawn clip.

    Attributes:
        frames: uint8 [T, size, size, 3], RGB.
        label: the gesture.
        track: float32 [T, 2], the fingertip's x and y in each frame, 0 to 1 from the top left.
        stroke: indices of the first frame in which the stroke has begun, and of the first frame in which it is
            complete (T if it is not complete in any).
        seed: the seed of the clip.
    """

    frames: npt.NDArray[np.uint8]
    label: str
    track: Points
    stroke: tuple[int, int]
    seed: int


@dataclass(frozen=True, eq=False)
class DrawnStream:
    """A drawn stream: several gestures, and the motion or rest between them.

    Attributes:
        frames: uint8 [T, size, size, 3], RGB.
        times: float64 [T], seconds from the beginning, ``spacing`` apart except for the jitter of a camera.
        spacing: seconds between frames.
        events: the gestures.
        track: float32 [T, 2], the fingertip's x and y in each frame; within 0 to 1 it is in the frame.
        seed: the seed of the stream.
    """

    frames: npt.NDArray[np.uint8]
    times: npt.NDArray[np.float64]
    spacing: float
    events: tuple[Event, ...]
    track: Points
    seed: int


def draw_clip(
    seed: int,
    label: str | None = None,
    *,
    frames: int = 8,
    size: int = 128,
    strokes: Mapping[str, Stroke] = STROKES,
) -> Clip:
    """Draw one clip. With the same versions of numpy and OpenCV, the same arguments give the same pixels.

    Args:
        seed: 0 or more.
        label: a gesture of ``strokes``; None: a random one.
        frames: number of frames, evenly spread over the gesture and a short rest before and after it.
        size: height and width of the frames, pixels. The camera's wide picture is squashed to a square.
        strokes: the gestures, by label.

    Raises:
        GestureError: the label is unknown, or the seed, size or number of frames is out of range.
    """
    if label is not None and label not in strokes:
        raise GestureError(unknown("gesture", label, strokes))
    if seed < 0 or frames < 1 or not 16 <= size <= 4096:
        raise GestureError(
            f"cannot draw {frames} frames of {size}x{size} with seed {seed}: give 1 or more frames, a size of 16 to "
            "4096, and a seed of 0 or more"
        )
    # Each part has a generator of its own, so that a change in one part does not change the others.
    for_label, for_stroke, *for_rendering = (
        np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(6)
    )
    label = label or list(strokes)[for_label.integers(len(strokes))]
    motion, done = move(strokes[label], frames, for_stroke)
    renderer = Renderer(for_rendering, motion, size)
    return Clip(np.stack([renderer.draw(t) for t in range(frames)]), label, motion[:, 1], _bounds(done), seed)


def draw_stream(
    seed: int,
    script: Sequence[Action] | None = None,
    *,
    seconds: float = 60,
    begin: float = 0,
    spacing: float = SPACING,
    size: int = 128,
    strokes: Mapping[str, Stroke] = STROKES,
) -> DrawnStream:
    """Draw a stream of one hand in front of one background. The same arguments give the same pixels.

    Args:
        seed: 0 or more.
        script: the actions of the hand, all of which are drawn; None: a random script.
        seconds: duration of the stream. It is used only if the script is random.
        begin: seconds at the beginning that are left out.
        spacing: seconds between frames.
        size: height and width of the frames, pixels. The camera's wide picture is squashed to a square.
        strokes: the gestures, by label.

    Raises:
        GestureError: an action is unknown, or a number is out of range.
    """
    if seed < 0 or not 16 <= size <= 4096 or not 1e-3 <= spacing <= 60 or not 0 <= begin < begin + seconds <= 36_000:
        raise GestureError(
            f"cannot draw {seconds:g} s from {begin:g} s, with a frame of {size}x{size} every {spacing:g} s and seed "
            f"{seed}: give up to 36,000 s, a size of 16 to 4096, a spacing of 0.001 to 60 s, and a seed of 0 or more"
        )
    plan = _plan(seed, script, seconds, begin, spacing, strokes)
    for_stroke, seconds = plan.for_stroke, plan.seconds
    frames = _frames(seconds, spacing)
    times = (np.arange(frames) + for_stroke.uniform(-0.1, 0.1, frames)) * spacing + begin
    shutter = min(for_stroke.uniform(0.008, 0.05), spacing * 0.9)
    motion = plan.motion.at(times[:, None] + np.array([-0.5, 0, 0.5]) * shutter)
    tremor = np.cumsum(for_stroke.normal(0, 0.002, (frames, 1, 2)), 0)
    tremor = tremor - _smooth(tremor, 8) + for_stroke.normal(0, 0.004, (frames, 1, 2))
    motion = (motion + tremor).astype(np.float32)
    renderer = Renderer(plan.for_rendering, motion, size)
    pixels = np.stack([renderer.draw(t) for t in range(frames)])
    return DrawnStream(pixels, times - begin, spacing, plan.events, motion[:, 1], seed)


def clip_stroke(seed: int, label: str, *, frames: int = 8, strokes: Mapping[str, Stroke] = STROKES) -> tuple[int, int]:
    """Return ``Clip.stroke`` of the clip that ``draw_clip`` draws for the same arguments, without drawing it."""
    for_stroke = np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[1])
    return _bounds(move(strokes[label], frames, for_stroke)[1])


def stream_events(
    seed: int,
    script: Sequence[Action] | None = None,
    *,
    seconds: float = 60,
    begin: float = 0,
    spacing: float = SPACING,
    strokes: Mapping[str, Stroke] = STROKES,
) -> tuple[Event, ...]:
    """Return the events of the stream that ``draw_stream`` draws for the same arguments, without drawing it."""
    return _plan(seed, script, seconds, begin, spacing, strokes).events


def stream_frames(
    seed: int,
    script: Sequence[Action] | None = None,
    *,
    seconds: float = 60,
    spacing: float = SPACING,
    strokes: Mapping[str, Stroke] = STROKES,
) -> int:
    """Return the number of frames of the stream that ``draw_stream`` draws for the same arguments."""
    return _frames(_plan(seed, script, seconds, 0, spacing, strokes).seconds, spacing)


def _frames(seconds: float, spacing: float) -> int:
    return max(1, round(seconds / spacing))


def draw_clips(
    count: int, seed: int = 0, *, frames: int = 8, size: int = 128, strokes: Mapping[str, Stroke] = STROKES
) -> Iterator[Clip]:
    """Yield ``count`` clips, with the labels in turn. The other arguments are those of ``draw_clip``."""
    labels = list(strokes)
    for index in range(count):
        label = labels[index % len(labels)]
        yield draw_clip((seed << 32) + index, label, frames=frames, size=size, strokes=strokes)


@dataclass(frozen=True, eq=False)
class _Plan:
    """The events of a stream, which are known before a frame is drawn, and the generators for everything else."""

    motion: Motion
    events: tuple[Event, ...]
    seconds: float
    for_stroke: np.random.Generator
    for_rendering: list[np.random.Generator]  # for the hand, its pose, the background and the camera


def _plan(
    seed: int,
    script: Sequence[Action] | None,
    seconds: float,
    begin: float,
    spacing: float,
    strokes: Mapping[str, Stroke],
) -> _Plan:
    for_script, for_stroke, *for_rendering = (
        np.random.default_rng(part) for part in np.random.SeedSequence([seed, 1]).spawn(6)
    )
    if script is None:
        motion = compose(random_script(begin + seconds, strokes, for_script), strokes, for_stroke)
    else:
        motion = compose(script, strokes, for_stroke)
        seconds = max(motion.seconds - begin, spacing)
    events = tuple(
        Event(event.label, event.begin - begin, event.end - begin)
        for event in motion.events
        if event.end > begin and event.begin < begin + seconds
    )
    return _Plan(motion, events, seconds, for_stroke, for_rendering)


def _bounds(done: npt.NDArray[np.float64]) -> tuple[int, int]:
    """Return ``Clip.stroke`` for the completed shares of a stroke in the frames."""
    return int((done <= 0).sum()), int((done < 1).sum())


def _smooth(values: npt.NDArray[np.float64], reach: int) -> npt.NDArray[np.float64]:
    """Return the moving average along the first axis, over ``reach`` values on each side."""
    padded = np.pad(values, ((reach + 1, reach), *((0, 0),) * (values.ndim - 1)), "edge").cumsum(0)
    mean: npt.NDArray[np.float64] = (padded[2 * reach + 1 :] - padded[: -2 * reach - 1]) / (2 * reach + 1)
    return mean
