"""Gesture clips drawn from nothing but a seed: a hand that draws a stroke in front of some scene."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeshift.errors import GestureError, unknown
from edgeshift.gestures.camera import MARGIN, Camera
from edgeshift.gestures.hand import Hand, Vector, draw_hand
from edgeshift.gestures.motion import Act, Event, Motion, compose, random_script
from edgeshift.gestures.scene import Image, background
from edgeshift.gestures.strokes import STROKES, Points, Stroke, move
from edgeshift.video.fit import Frame, opencv

#: Seconds between the frames of drawn streams, and of what is trained on them.
SPACING = 0.25
#: From the middle of the picture, in pictures: a fingertip as far away as this has taken the hand out of it.
FAR = 0.85


@dataclass(frozen=True, eq=False)
class Clip:
    """A drawn clip.

    Attributes:
        frames: uint8 [T, size, size, 3], RGB.
        label: the gesture.
        track: float32 [T, 2], the fingertip's x and y in each frame, 0..1 from the top left.
        stroke: the first frame in which the stroke has begun, and the first in which it is complete (T if none is).
        seed: draws this clip again, together with the label.
    """

    frames: npt.NDArray[np.uint8]
    label: str
    track: Points
    stroke: tuple[int, int]
    seed: int


@dataclass(frozen=True, eq=False)
class DrawnStream:
    """Untrimmed video: some gestures, one after the other, and what lies between them.

    Attributes:
        frames: uint8 [T, size, size, 3], RGB.
        times: float64 [T], seconds from the beginning, ``spacing`` apart but for a camera's unrest.
        spacing: seconds.
        events: the gestures.
        track: float32 [T, 2], the fingertip's x and y in each frame; outside of 0..1 it is not in the picture.
        seed: draws it again, together with the other arguments.
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
    """Draw one clip. The same arguments give the same pixels (with the same versions of numpy and OpenCV).

    Args:
        seed: 0 or more.
        label: a gesture of ``strokes``; None lets the seed choose.
        frames: evenly spread over the gesture, about a tenth of which at each end is rest.
        size: pixels a side. The clip is a camera's wide picture squashed to a square.
        strokes: the gestures there are.

    Raises:
        GestureError: an unknown label, or a seed, size or number of frames that makes no sense.
    """
    if label is not None and label not in strokes:
        raise GestureError(unknown("gesture", label, strokes))
    if seed < 0 or frames < 1 or not 16 <= size <= 4096:
        raise GestureError(
            f"cannot draw seed {seed}, {frames} frames of {size}: give seed >= 0, frames >= 1, 16 <= size <= 4096"
        )
    # One generator for each part: a change to one leaves the others' clips as they were.
    for_label, for_stroke, for_hand, for_pose, for_scene, for_camera = (
        np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(6)
    )
    label = label or list(strokes)[for_label.integers(len(strokes))]
    motion, done = move(strokes[label], frames, for_stroke)
    film = _Film(for_hand, for_pose, for_scene, for_camera, motion, size)
    return Clip(np.stack([film.take(t) for t in range(frames)]), label, motion[:, 1], _bounds(done), seed)


def draw_stream(
    seed: int,
    script: Sequence[Act] | None = None,
    *,
    seconds: float = 60,
    begin: float = 0,
    spacing: float = SPACING,
    size: int = 128,
    strokes: Mapping[str, Stroke] = STROKES,
) -> DrawnStream:
    """Draw a stream of one person in front of one scene. The same arguments give the same pixels.

    Args:
        seed: 0 or more.
        script: what happens; None lets the seed choose.
        seconds: how much is drawn, where the script is the seed's; else all of the script is.
        begin: seconds of the beginning to leave out.
        spacing: seconds between frames.
        size: pixels a side. It is a camera's wide picture squashed to a square.
        strokes: the gestures there are.

    Raises:
        GestureError: an unknown act, or numbers that make no sense.
    """
    if seed < 0 or not 16 <= size <= 4096 or not 1e-3 <= spacing <= 60 or not 0 <= begin < begin + seconds <= 36_000:
        raise GestureError(
            f"cannot draw seed {seed}, {seconds:g} s from {begin:g} s, a frame of {size} every {spacing:g} s: give "
            "seed >= 0, up to 36,000 s, 16 <= size <= 4096, a spacing of 0.001 to 60"
        )
    plan = _plan(seed, script, seconds, begin, spacing, strokes)
    way, for_stroke, seconds = plan.way, plan.for_stroke, plan.seconds
    frames = max(1, round(seconds / spacing))
    times = (np.arange(frames) + for_stroke.uniform(-0.1, 0.1, frames)) * spacing + begin
    shutter = min(for_stroke.uniform(0.008, 0.05), spacing * 0.9)
    motion = way.at(times[:, None] + np.array([-0.5, 0, 0.5]) * shutter)
    tremor = np.cumsum(for_stroke.normal(0, 0.002, (frames, 1, 2)), 0)
    tremor = tremor - _smooth(tremor, 8) + for_stroke.normal(0, 0.004, (frames, 1, 2))
    motion = (motion + tremor).astype(np.float32)
    film = _Film(*plan.for_film, motion, size)
    pictures = np.stack([film.take(t) for t in range(frames)])
    return DrawnStream(pictures, times - begin, spacing, plan.events, motion[:, 1], seed)


def clip_stroke(seed: int, label: str, *, frames: int = 8, strokes: Mapping[str, Stroke] = STROKES) -> tuple[int, int]:
    """``Clip.stroke`` of the clip that ``draw_clip`` draws of the same arguments, without drawing it."""
    for_stroke = np.random.default_rng(np.random.SeedSequence(seed).spawn(2)[1])
    return _bounds(move(strokes[label], frames, for_stroke)[1])


def stream_events(
    seed: int,
    script: Sequence[Act] | None = None,
    *,
    seconds: float = 60,
    begin: float = 0,
    spacing: float = SPACING,
    strokes: Mapping[str, Stroke] = STROKES,
) -> tuple[Event, ...]:
    """The events of the stream that ``draw_stream`` draws of the same arguments, without drawing it."""
    return _plan(seed, script, seconds, begin, spacing, strokes).events


def draw_clips(
    count: int, seed: int = 0, *, frames: int = 8, size: int = 128, strokes: Mapping[str, Stroke] = STROKES
) -> Iterator[Clip]:
    """``count`` clips, the labels taking turns. Another seed gives other clips. Arguments as ``draw_clip``."""
    labels = list(strokes)
    for index in range(count):
        label = labels[index % len(labels)]
        yield draw_clip((seed << 32) + index, label, frames=frames, size=size, strokes=strokes)


def contact_sheet(clips: Iterable[Clip]) -> Frame:
    """One picture, RGB: a row for each clip, its label written on it. All clips must be of one shape."""
    return np.concatenate([strip(clip.frames, clip.label) for clip in clips])


def strip(frames: Iterable[Frame], label: str) -> Frame:
    """Frames of one size side by side, RGB, with a label written on them."""
    cv2 = opencv("drawing gestures")
    row = np.ascontiguousarray(np.concatenate(list(frames), axis=1))
    for thickness, ink in ((3, (0, 0, 0)), (1, (255, 255, 0))):
        cv2.putText(row, label, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, ink, thickness, cv2.LINE_AA)
    return row


@dataclass(frozen=True, eq=False)
class _Plan:
    """What happens in a stream, before any of it is drawn.

    seconds: how much is drawn. for_stroke, for_film: the generators that draw what the plan leaves open.
    """

    way: Motion
    events: tuple[Event, ...]
    seconds: float
    for_stroke: np.random.Generator
    for_film: tuple[np.random.Generator, np.random.Generator, np.random.Generator, np.random.Generator]


def _plan(
    seed: int,
    script: Sequence[Act] | None,
    seconds: float,
    begin: float,
    spacing: float,
    strokes: Mapping[str, Stroke],
) -> _Plan:
    for_script, for_stroke, for_hand, for_pose, for_scene, for_camera = (
        np.random.default_rng(part) for part in np.random.SeedSequence([seed, 1]).spawn(6)
    )
    if script is None:
        way = compose(random_script(begin + seconds, strokes, for_script), strokes, for_stroke)
    else:
        way = compose(script, strokes, for_stroke)
        seconds = max(way.seconds - begin, spacing)
    events = tuple(
        Event(event.label, event.begin - begin, event.end - begin)
        for event in way.events
        if event.end > begin and event.begin < begin + seconds
    )
    return _Plan(way, events, seconds, for_stroke, (for_hand, for_pose, for_scene, for_camera))


def _bounds(done: npt.NDArray[np.float64]) -> tuple[int, int]:
    """The first frame in which a stroke has begun, and the first in which it is complete: see ``Clip``."""
    return int((done <= 0).sum()), int((done < 1).sum())


class _Film:
    """One hand, one scene and one camera: takes one frame after another.

    motion: float32 [T, 3, 2], the fingertip when the shutter opens, half way, and when it closes.
    """

    def __init__(
        self,
        for_hand: np.random.Generator,
        for_pose: np.random.Generator,
        for_scene: np.random.Generator,
        for_camera: np.random.Generator,
        motion: Points,
        size: int,
    ) -> None:
        self.motion, self.size = motion, size
        self.pose = _Pose(for_pose, motion)
        self.hand = draw_hand(for_hand)
        self.scene, self.light = _lit_scene(for_scene, self.hand, size)
        self.camera = Camera(for_camera, len(motion), size, float(self.scene.mean()))

    def take(self, index: int) -> Frame:
        """Frame ``index``: uint8 [size, size, 3]."""
        picture = self.camera.see(self.scene, index)
        if np.all(np.abs(self.motion[index] - 0.5) < FAR):
            layer = self.pose.layer(self.hand, self.motion[index], self.size)
            picture = _lay_over(picture, layer, self.light, self.pose)
        return self.camera.expose(picture, index)


class _Pose:
    """How hand and arm follow the fingertip, in picture heights (x in 0..aspect)."""

    def __init__(self, random: np.random.Generator, motion: Points) -> None:
        self.aspect = float(random.choice([4 / 3, 4 / 3, 16 / 9, 1]))
        seen = motion[:, 1][np.all(np.abs(motion[:, 1] - 0.5) < 0.5, 1)]
        self.centre = (seen.mean(0) if len(seen) else np.array([0.5, 0.45])) * [self.aspect, 1]
        self.length = random.uniform(0.3, 0.75)  # from the fingertip to the wrist
        kind = random.random()  # where the elbow is: mostly below on the right
        x = (0.65, 1.35) if kind < 0.7 else (0.2, 0.65) if kind < 0.88 else (-0.4, 0.2)
        self.elbow = np.array([random.uniform(*x) * self.aspect, random.uniform(1.3, 1.9)])
        self.follow = random.uniform(0, 0.75)  # how much the elbow moves along
        self.bend = random.uniform(0, 0.8)  # 1: the finger points along the forearm; 0: it points up
        self.tilt = random.normal(0, 0.15)
        self.nearer = random.normal(0, 0.12)  # how the hand grows as it comes down
        self.blurs = random.random() < 0.75
        self.shadow = random.uniform(0.15, 0.5) if random.random() < 0.25 else 0.0
        self.shadow_offset = random.normal(0, 0.07, 2)

    def layer(self, hand: Hand, opening: Points, size: int) -> Image:
        """The hand in one frame, float32 [size, size, 4], smeared over the time that the shutter is open.

        opening: float32 [3, 2], the fingertip when the shutter opens, half way, and when it closes.
        """
        far = float(np.abs(opening[2] - opening[0]).max()) * size if self.blurs else 0.0
        count = min(6, 1 + int(far / 1.5))
        at = np.linspace(0, 2, count) if count > 1 else np.ones(1)
        tips = np.stack([np.interp(at, [0, 1, 2], opening[:, axis]) for axis in (0, 1)], 1) * [self.aspect, 1]
        total = self._still(hand, tips[0], size)
        for tip in tips[1:]:
            total += self._still(hand, tip, size)
        return total / np.float32(count)

    def _still(self, hand: Hand, tip: Vector, size: int) -> Image:
        moved = tip - self.centre
        elbow = self.elbow + moved * self.follow
        back = _unit(elbow - tip) * self.bend + np.array([self.tilt, 1]) * (1 - self.bend)
        wrist = tip + _unit(back) * self.length * (1 + self.nearer * 2 * moved[1])
        return hand.layer(tip, wrist, _unit(elbow - wrist) * 2.4, size, self.aspect)  # 2.4: beyond any edge


def _lit_scene(random: np.random.Generator, hand: Hand, size: int) -> tuple[Image, float]:
    """The background, and how much of its light falls on the hand. A fifth look much like the hand itself."""
    scene = background(random, size + 2 * round(size * MARGIN))
    mean, skin = scene.mean((0, 1)), float(hand.skin.mean())
    if random.random() < 0.2:
        like_skin = scene * (hand.skin * random.uniform(0.6, 1.4) / np.maximum(mean, 0.05))
        scene = scene + (like_skin - scene) * np.float32(random.uniform(0.2, 0.7))
        return np.clip(scene, 0, 1), float(random.uniform(0.7, 1.2))
    balance = np.clip(float(mean.mean()) / skin, 0.5, 1.6) ** random.uniform(0, 1)
    silhouette = random.uniform(0.25, 0.6) if random.random() < 0.12 else 1.0
    return scene, float(balance * silhouette)


def _lay_over(picture: Image, layer: Image, light: float, pose: _Pose) -> Image:
    cv2 = opencv("drawing gestures")
    alpha = layer[..., 3:]
    if pose.shadow:
        size = len(picture)
        move_by = np.column_stack([np.eye(2), pose.shadow_offset * size])
        shadow = cv2.GaussianBlur(cv2.warpAffine(alpha, move_by, (size, size)), (0, 0), size / 40)
        picture = picture * (1 - np.float32(pose.shadow) * shadow[..., None])
    return picture * (1 - alpha) + layer[..., :3] * np.float32(light)


def _smooth(values: npt.NDArray[np.float64], reach: int) -> npt.NDArray[np.float64]:
    """A moving average along the first axis, over ``reach`` values either way."""
    padded = np.pad(values, ((reach + 1, reach), *((0, 0),) * (values.ndim - 1)), "edge").cumsum(0)
    mean: npt.NDArray[np.float64] = (padded[2 * reach + 1 :] - padded[: -2 * reach - 1]) / (2 * reach + 1)
    return mean


def _unit(vector: Vector) -> Vector:
    unit: Vector = vector / np.linalg.norm(vector)
    return unit
