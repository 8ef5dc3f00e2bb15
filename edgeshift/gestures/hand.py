"""A pointing hand and its forearm: two sprites that are drawn once and then placed in each frame."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from edgeshift.gestures.scene import Image, cloud, colour, texture
from edgeshift.video.fit import opencv

#: Height and width of the hand's sprite, pixels.
SIDE = 144
#: Height and width of the forearm's sprite, pixels.
ARM = (264, 96)
Vector = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Sprite:
    """A picture with transparency.

    Attributes:
        image: float32 [H, W, 4], colours multiplied by alpha.
        top: the pixel (x, y) of the upper of two points, which are placed at given points of a frame.
        bottom: the pixel (x, y) of the lower point.
    """

    image: Image
    top: Vector
    bottom: Vector


@dataclass(frozen=True)
class Hand:
    """A pointing hand.

    Attributes:
        finger: a fist with a finger that points up, from fingertip (top) to wrist (bottom).
        arm: the forearm, from wrist (top) to elbow (bottom).
        skin: colour of the skin, float32 [3].
    """

    finger: Sprite
    arm: Sprite
    skin: Image

    def layer(self, tip: Vector, wrist: Vector, forearm: Vector, size: int, aspect: float) -> Image:
        """Draw the hand on a transparent layer, float32 [size, size, 4].

        ``tip`` and ``wrist`` are points. ``forearm`` is a vector from the wrist to a point outside of the frame. Their
        unit is the height of the frame, and x is 0 at its left edge and ``aspect`` at its right edge.
        """
        scale = float(np.linalg.norm(wrist - tip) / np.linalg.norm(self.finger.bottom - self.finger.top))
        finger = draw_sprite(self.finger, tip, wrist, scale, size, aspect)
        # The arm begins a little above the wrist, so that there is no gap if the hand is bent at the wrist.
        start = wrist + (tip - wrist) * 0.06
        return finger + draw_sprite(self.arm, start, start + forearm, scale, size, aspect) * (1 - finger[..., 3:])


def draw_hand(random: np.random.Generator) -> Hand:
    """Draw a hand with random skin, shape and pose."""
    light = random.normal(0, 1, 2)
    light /= np.linalg.norm(light)
    paleness = random.beta(1.3, 1.3)
    tone = np.array([0.30, 0.18, 0.12]) * (1 - paleness) + np.array([0.93, 0.72, 0.60]) * paleness
    tone = tone * random.uniform(0.85, 1.15) + random.normal(0, 0.02, 3)
    skin: Image = np.clip(tone, 0.05, 1).astype(np.float32)
    fist = _draw_fist(random)
    finger = _paint(fist, random, skin, light)
    arm = _draw_arm(random, skin, light, fist.wrist_radius)
    if random.random() < 0.2:  # a left hand
        finger = Sprite(np.ascontiguousarray(finger.image[:, ::-1]), _mirror(finger.top), _mirror(finger.bottom))
    return Hand(finger, arm, skin)


def draw_sprite(sprite: Sprite, top: Vector, bottom: Vector, scale: float, size: int, aspect: float) -> Image:
    """Draw a sprite on a transparent layer, float32 [size, size, 4], with its two points at ``top`` and ``bottom``.

    The unit of ``top`` and ``bottom`` is the height of the frame. ``scale`` is the scale of the sprite's width.
    """
    cv2 = opencv("drawing gestures")
    source, target = sprite.bottom - sprite.top, bottom - top
    source_unit, target_unit = source / np.linalg.norm(source), target / np.linalg.norm(target)
    along = np.outer(target / np.linalg.norm(source), source_unit)
    across = np.outer([-target_unit[1], target_unit[0]], [-source_unit[1], source_unit[0]]) * scale
    matrix = np.column_stack([along + across, top - (along + across) @ sprite.top])
    matrix *= np.array([[size / aspect], [size]])  # the camera's wide picture is squashed to a square
    image: Image = cv2.warpAffine(sprite.image, matrix, (size, size), flags=cv2.INTER_LINEAR)
    return image


@dataclass(frozen=True)
class _Fist:
    """The shape of a pointing hand, in pixels of its sprite."""

    mask: Image
    tip: Vector
    wrist: Vector
    wrist_radius: float
    knuckles: Vector  # the point at which the pointing finger leaves the fist
    thin: float  # half of the finger's width
    wide: float  # half of the fist's width
    tall: float  # half of the fist's height


def _draw_fist(random: np.random.Generator) -> _Fist:
    cv2 = opencv("drawing gestures")
    wide, tall, thin = random.uniform(17, 22), random.uniform(19, 25), random.uniform(4.8, 7.0)
    middle, top = SIDE / 2, 66 + random.normal(0, 2)
    root = middle - wide * random.uniform(0.1, 0.65)
    lean, long = random.normal(0, 4), random.uniform(36, 50)
    wrist_x, wrist_y = middle + random.normal(0, 3), top + 2 * tall + random.uniform(0, 6)
    wrist_radius = wide * random.uniform(0.6, 0.8)
    left, right, shoulder = random.uniform(0.2, 0.5), random.uniform(0.1, 0.5), top + tall * 1.3
    outline = [
        *[(root - thin, top), (middle - wide, top + tall * left), (middle - wide * 0.95, shoulder)],
        *[(wrist_x - wrist_radius, wrist_y), (wrist_x + wrist_radius, wrist_y), (middle + wide, shoulder)],
        *[(middle + wide * 0.95, top + tall * right), (middle + wide * 0.3, top - tall * 0.1)],
    ]
    mask = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillPoly(mask, [np.array(outline, np.int32)], 1.0)
    mask = (cv2.GaussianBlur(mask, (0, 0), 3) > 0.5).astype(np.float32)
    end = (root + lean, top - long + thin * 0.8, thin * 0.8)
    _tube(mask, (root, top + 8, thin * 1.15), (root + lean / 2, top - long / 2, thin), end)
    if random.random() < 0.6:  # a visible thumb
        x, y = middle - wide * random.uniform(0.8, 1.35), top + tall * random.uniform(0, 0.6)
        _tube(mask, (middle - wide * 0.6, top + tall * 1.2, thin * 1.2), (x, y + 8, thin), (x + 4, y - 4, thin * 0.85))
    if random.random() < 0.1:  # a second extended finger
        x, y = root + thin * 2.2, top - long * random.uniform(0.3, 0.8)
        _tube(mask, (x, top + 8, thin), (x + lean, y, thin * 0.8))
    _tube(mask, (wrist_x, wrist_y - 8, wrist_radius), (wrist_x, wrist_y + 3, wrist_radius))
    tip, wrist, knuckles = np.array([root + lean, top - long]), np.array([wrist_x, wrist_y]), np.array([root, top])
    return _Fist(mask, tip, wrist, wrist_radius, knuckles, thin, wide, tall)


def _paint(fist: _Fist, random: np.random.Generator, skin: Image, light: Vector) -> Sprite:
    """Paint the fist with shading, creases between the folded fingers, and a nail."""
    cv2 = opencv("drawing gestures")
    shade = _shade(fist.mask, random.uniform(7, 12), light, random.uniform(0.3, 1.4))
    creases, nail = np.zeros_like(fist.mask), np.zeros_like(fist.mask)
    for finger in range(random.integers(2, 5)):
        x = fist.knuckles[0] + fist.thin + finger * fist.wide * 0.42
        y = fist.knuckles[1] + fist.tall * random.uniform(0.1, 0.4)
        end = int(x + random.normal(0, 3)), int(y + fist.tall * random.uniform(0.3, 0.7))
        cv2.line(creases, (int(x), int(y)), end, 1.0, 1)
    shade *= 1 - random.uniform(0.2, 0.7) * cv2.GaussianBlur(creases, (0, 0), 1.0)
    colours = skin * np.maximum(shade, 0.06)[..., None] * (1 + cloud(random, SIDE, SIDE, 6, 48) * 0.08)
    if random.random() < 0.5:
        centre, axes = (int(fist.tip[0]), int(fist.tip[1] + fist.thin)), (int(fist.thin * 0.5), int(fist.thin * 0.8))
        cv2.ellipse(nail, centre, axes, 0, 0, 360, 0.5, -1)
    colours += cv2.GaussianBlur(nail, (0, 0), 0.8)[..., None] * (np.clip(skin * 1.3 + 0.1, 0, 1) - colours)
    return Sprite(_with_alpha(colours, cv2.GaussianBlur(fist.mask, (0, 0), 0.8)), fist.tip, fist.wrist)


def _draw_arm(random: np.random.Generator, skin: Image, light: Vector, wrist_radius: float) -> Sprite:
    """Draw a forearm, bare or in a sleeve. It is as wide as the wrist at its top and wider at the elbow."""
    height, width = ARM
    rows = np.arange(height)[:, None]
    elbow_radius = wrist_radius * random.uniform(1.3, 2.1)
    radius = np.interp(rows, [0, 40, 200], [wrist_radius, wrist_radius * 1.05, elbow_radius])
    colours = np.broadcast_to(skin, (height, width, 3)) * (1 + cloud(random, height, width, 4, 32) * 0.06)
    if random.random() < 0.4:
        cuff = int(random.uniform(6, 110))
        colours[cuff:] = texture(random, height)[cuff:, :width]
        radius = np.where(rows >= cuff, radius * random.uniform(1.1, 1.3), radius)
    if random.random() < 0.25:  # a watch or a bracelet
        cuff = int(random.uniform(4, 24))
        colours[cuff : cuff + int(random.integers(3, 10))] = colour(random)
    across = (np.arange(width) - width / 2) / radius
    alpha = np.clip((1 - np.abs(across)) * radius / 1.2, 0, 1).astype(np.float32)
    shade = 0.55 + 0.45 * np.sqrt(np.clip(1 - across**2, 0, 1)) + random.uniform(0.1, 0.4) * light[0] * across
    image = _with_alpha(colours * np.maximum(shade, 0.06)[..., None], alpha)
    return Sprite(image, np.array([width / 2, 4.0]), np.array([width / 2, height - 4.0]))


def _tube(mask: Image, *joints: tuple[float, float, float]) -> None:
    """Draw a chain of rounded tubes through joints (x, y, radius), with a precision of a sixteenth of a pixel."""
    cv2 = opencv("drawing gestures")
    for start, end in pairwise(joints):
        for x, y, radius in np.linspace(start, end, 24):
            cv2.circle(mask, (int(x * 16), int(y * 16)), int(radius * 16), 1.0, -1, cv2.LINE_8, 4)


def _shade(mask: Image, depth: float, light: Vector, strength: float) -> Image:
    """Return the brightness of a flat shape as if its edge were rounded over ``depth`` pixels and lit from one side."""
    cv2 = opencv("drawing gestures")
    inside = cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    height = cv2.GaussianBlur(np.sqrt(1 - (1 - np.clip(inside / depth, 0, 1)) ** 2), (0, 0), 1.5)
    slope_y, slope_x = np.gradient(height)
    shade: Image = 0.55 + 0.45 * height + strength * 2 * (slope_x * light[0] + slope_y * light[1])
    return shade


def _with_alpha(colours: npt.NDArray[np.floating], alpha: Image) -> Image:
    return np.dstack([colours * alpha[..., None], alpha]).astype(np.float32)


def _mirror(point: Vector) -> Vector:
    return np.array([SIDE - 1 - point[0], point[1]])
