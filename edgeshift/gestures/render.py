"""Rendering of drawn frames: a hand follows a fingertip's path in front of a background, and a camera records it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeshift.gestures.camera import MARGIN, Camera
from edgeshift.gestures.hand import Hand, Vector, draw_hand
from edgeshift.gestures.scene import Image, background
from edgeshift.gestures.strokes import Points, interpolate
from edgeshift.video.fit import Frame, opencv

#: If the fingertip is at least this far from the middle of the frame, no part of the hand is visible. The unit is the
#: width or height of the frame.
FAR = 0.85


class Renderer:
    """Draws the frames of one clip or stream, which share a hand, a background and a camera.

    Args:
        generators: one each for the hand, its pose, the background and the camera, in this order.
        motion: float32 [T, 3, 2], the fingertip when the shutter of a frame opens, halfway, and when it closes.
        size: height and width of the frames, pixels.
    """

    def __init__(self, generators: Sequence[np.random.Generator], motion: Points, size: int) -> None:
        for_hand, for_pose, for_background, for_camera = generators
        self.motion, self.size = motion, size
        self.pose = _Pose(for_pose, motion)
        self.hand = draw_hand(for_hand)
        self.background, self.light = _lit_background(for_background, self.hand, size)
        self.camera = Camera(for_camera, len(motion), size, float(self.background.mean()))

    def draw(self, index: int) -> Frame:
        """Draw frame ``index``: uint8 [size, size, 3]."""
        picture = self.camera.view(self.background, index)
        if np.all(np.abs(self.motion[index] - 0.5) < FAR):
            layer = self.pose.layer(self.hand, self.motion[index], self.size)
            picture = _composite(picture, layer, self.light, self.pose)
        return self.camera.expose(picture, index)


class _Pose:
    """The rules by which hand and arm follow the fingertip.

    The unit is the height of the frame, and x is 0 at its left edge and ``aspect`` at its right edge.
    """

    def __init__(self, random: np.random.Generator, motion: Points) -> None:
        self.aspect = float(random.choice([4 / 3, 4 / 3, 16 / 9, 1]))
        visible = motion[:, 1][np.all(np.abs(motion[:, 1] - 0.5) < 0.5, 1)]
        self.centre = (visible.mean(0) if len(visible) else np.array([0.5, 0.45])) * [self.aspect, 1]
        self.length = random.uniform(0.3, 0.75)  # from the fingertip to the wrist
        kind = random.random()  # the elbow is below the frame, mostly on the right
        x = (0.65, 1.35) if kind < 0.7 else (0.2, 0.65) if kind < 0.88 else (-0.4, 0.2)
        self.elbow = np.array([random.uniform(*x) * self.aspect, random.uniform(1.3, 1.9)])
        self.follow = random.uniform(0, 0.75)  # share of the fingertip's motion that the elbow follows
        self.bend = random.uniform(0, 0.8)  # 1: the finger points along the forearm; 0: it points up
        self.tilt = random.normal(0, 0.15)
        self.growth = random.normal(0, 0.12)  # how much larger the hand is in the lower part of the frame
        self.blurs = random.random() < 0.75
        self.shadow = random.uniform(0.15, 0.5) if random.random() < 0.25 else 0.0
        self.shadow_offset = random.normal(0, 0.07, 2)

    def layer(self, hand: Hand, motion: Points, size: int) -> Image:
        """Draw the hand of one frame, float32 [size, size, 4], with motion blur.

        ``motion`` is float32 [3, 2], the fingertip when the shutter opens, halfway, and when it closes.
        """
        distance = float(np.abs(motion[2] - motion[0]).max()) * size if self.blurs else 0.0
        count = min(6, 1 + int(distance / 1.5))
        at = np.linspace(0, 2, count) if count > 1 else np.ones(1)
        tips = interpolate(motion, at) * [self.aspect, 1]
        total = self._sharp_layer(hand, tips[0], size)
        for tip in tips[1:]:
            total += self._sharp_layer(hand, tip, size)
        return total / np.float32(count)

    def _sharp_layer(self, hand: Hand, tip: Vector, size: int) -> Image:
        """Draw the hand with its fingertip at ``tip``, without motion blur."""
        moved = tip - self.centre
        elbow = self.elbow + moved * self.follow
        back = _unit(elbow - tip) * self.bend + np.array([self.tilt, 1]) * (1 - self.bend)
        wrist = tip + _unit(back) * self.length * (1 + self.growth * 2 * moved[1])
        forearm = _unit(elbow - wrist) * 2.4  # so long that it ends outside of the frame
        return hand.layer(tip, wrist, forearm, size, self.aspect)


def _lit_background(random: np.random.Generator, hand: Hand, size: int) -> tuple[Image, float]:
    """Return the background, and the brightness of the hand. A fifth of the backgrounds have a colour close to skin."""
    scene = background(random, size + 2 * round(size * MARGIN))
    mean, skin = scene.mean((0, 1)), float(hand.skin.mean())
    if random.random() < 0.2:
        like_skin = scene * (hand.skin * random.uniform(0.6, 1.4) / np.maximum(mean, 0.05))
        scene = scene + (like_skin - scene) * np.float32(random.uniform(0.2, 0.7))
        return np.clip(scene, 0, 1), float(random.uniform(0.7, 1.2))
    balance = np.clip(float(mean.mean()) / skin, 0.5, 1.6) ** random.uniform(0, 1)
    silhouette = random.uniform(0.25, 0.6) if random.random() < 0.12 else 1.0
    return scene, float(balance * silhouette)


def _composite(picture: Image, layer: Image, light: float, pose: _Pose) -> Image:
    """Return the picture with the hand and, if the pose has one, its shadow in front of it."""
    cv2 = opencv("drawing gestures")
    alpha = layer[..., 3:]
    if pose.shadow:
        size = len(picture)
        move_by = np.column_stack([np.eye(2), pose.shadow_offset * size])
        shadow = cv2.GaussianBlur(cv2.warpAffine(alpha, move_by, (size, size)), (0, 0), size / 40)
        picture = picture * (1 - np.float32(pose.shadow) * shadow[..., None])
    return picture * (1 - alpha) + layer[..., :3] * np.float32(light)


def _unit(vector: Vector) -> Vector:
    unit: Vector = vector / np.linalg.norm(vector)
    return unit
