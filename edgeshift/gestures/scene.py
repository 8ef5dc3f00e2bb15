"""The background behind the hand: a still picture, composed of a few kinds of textures."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshift.video.fit import opencv

Image = npt.NDArray[np.float32]
"""float32 [H, W, 3] RGB, or [H, W, 4] with alpha; values 0 to 1."""


def background(random: np.random.Generator, size: int) -> Image:
    """Draw a background, float32 [size, size, 3]: one texture, up to three regions of others, and uneven light."""
    cv2 = opencv("drawing gestures")
    scene = texture(random, size)
    for _ in range(random.choice([0, 0, 1, 1, 2, 3])):
        scene += (texture(random, size) - scene) * _region(random, size)
    x, y = _grid(size)
    turn = random.uniform(0, 2 * pi)
    scene *= (1 + random.uniform(0, 0.8) * ((x - 0.5) * cos(turn) + (y - 0.5) * sin(turn)))[..., None]
    if random.random() < 0.3:  # a lamp or a window
        (at_x, at_y), reach = random.random(2), random.uniform(0.08, 0.3)
        glow = np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / (2 * reach * reach))
        scene += random.uniform(0.2, 0.8) * glow[..., None]
    if random.random() < 0.4:  # out of focus
        scene = cv2.GaussianBlur(scene, (0, 0), random.uniform(0.4, 1.8))
    return np.clip(scene, 0, 1)


def texture(random: np.random.Generator, size: int) -> Image:
    """Draw a texture of a random kind and colour, float32 [size, size, 3]."""
    draw = TEXTURES[random.integers(len(TEXTURES))]
    image: Image = np.clip(draw(random, size), 0, 1).astype(np.float32)
    return image


def colour(random: np.random.Generator) -> Image:
    """Draw a colour as found indoors: a fifth are browns close to skin, about half are pale, the rest are saturated."""
    kind = random.random()
    if kind < 0.2:
        wood = np.array([0.65, 0.42, 0.25]) * random.uniform(0.4, 1.4) + random.normal(0, 0.04, 3)
        brown: Image = np.clip(wood, 0, 1).astype(np.float32)
        return brown
    hue = np.clip(np.abs((random.random() + np.array([0, 2 / 3, 1 / 3])) % 1 * 6 - 3) - 1, 0, 1)
    saturation = random.uniform(0, 0.25) if kind < 0.75 else random.uniform(0.2, 0.75)
    bright: Image = ((1 - saturation + saturation * hue) * random.uniform(0.15, 1)).astype(np.float32)
    return bright


def cloud(random: np.random.Generator, height: int, width: int, coarse: int, fine: int) -> Image:
    """Draw noise of several scales: float32 [height, width, 1], -1 to 1.

    The largest scale has ``coarse`` blobs across the picture. Each next scale has twice as many, up to ``fine``.
    """
    cv2 = opencv("drawing gestures")
    total, weight, share, blobs = np.zeros((height, width), np.float32), 0.0, 1.0, coarse
    fade = random.uniform(0.4, 1.0)
    while blobs <= fine:
        grain = random.random((blobs, blobs), dtype=np.float32) * 2 - 1
        total += share * cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC)
        weight, share, blobs = weight + share, share * fade, blobs * 2
    return (total / weight)[..., None]


def _wall(random: np.random.Generator, size: int) -> Image:
    return colour(random) + cloud(random, size, size, 2, 40) * random.uniform(0, 0.06)


def _mottled(random: np.random.Generator, size: int) -> Image:
    return _two_colours(random, cloud(random, size, size, 3, 64) * 1.5 + 0.5)


def _foliage(random: np.random.Generator, size: int) -> Image:
    light = cloud(random, size, size, 5, 64)
    tints = np.dstack([cloud(random, size, size, 5, 32) for _ in range(3)])
    image: Image = colour(random) * (1 + 0.9 * light) + (light + tints) * random.uniform(0.05, 0.2)
    return image


def _folds(random: np.random.Generator, size: int) -> Image:
    """Draw a curtain or a panelled door: brightness that changes along one axis."""
    cv2 = opencv("drawing gestures")
    folds = cv2.resize(
        random.random((1, random.integers(6, 30)), dtype=np.float32), (size, 1), None, 0, 0, cv2.INTER_CUBIC
    )
    turn = random.normal(0, 8) + (90 if random.random() < 0.2 else 0)
    matrix = cv2.getRotationMatrix2D((size / 2, size / 2), turn, 1.2)
    light = cv2.warpAffine(np.repeat(folds, size, 0), matrix, (size, size), borderMode=cv2.BORDER_REFLECT)
    image: Image = colour(random) * (1 - random.uniform(0.3, 0.9) * light[..., None])
    return image + cloud(random, size, size, 4, 32) * 0.04


def _wood(random: np.random.Generator, size: int) -> Image:
    cv2 = opencv("drawing gestures")
    grain = random.random((random.integers(2, 6), random.integers(15, 50)), dtype=np.float32)
    grain = cv2.resize(grain, (size, size), interpolation=cv2.INTER_CUBIC)
    image: Image = colour(random) * (0.65 + 0.5 * (grain if random.random() < 0.6 else grain.T)[..., None])
    return image


def _pattern(random: np.random.Generator, size: int) -> Image:
    """Draw stripes, checks or dots on cloth that may be crumpled."""
    x, y = _grid(size)
    turn, period = random.uniform(0, pi), random.uniform(0.04, 0.22)
    crumple = cloud(random, size, size, 2, 8)[..., 0] * random.uniform(0, 0.06)
    across = np.sin(2 * pi * (x * cos(turn) + y * sin(turn) + crumple) / period)
    along = np.sin(2 * pi * (y * cos(turn) - x * sin(turn) + crumple) / period / random.uniform(0.7, 1.5))
    shape = [across, across * along, np.minimum(across, along), across + along - 1.2][random.integers(4)]
    return _two_colours(random, shape[..., None] * random.uniform(0.5, 4) + 0.5)


def _shelves(random: np.random.Generator, size: int) -> Image:
    cv2 = opencv("drawing gestures")
    image = np.zeros((size, size, 3), np.float32) + colour(random)
    for _ in range(random.integers(6, 40)):
        corner = random.integers(0, size, 2)
        book = random.random() < 0.6
        extent = random.uniform(0.03, 0.1 if book else 0.5) * size, random.uniform(0.08, 0.35) * size
        end = int(corner[0] + extent[0]), int(corner[1] + extent[1])
        cv2.rectangle(image, (int(corner[0]), int(corner[1])), end, colour(random).tolist(), -1 if book else 1)
    return image


def _clutter(random: np.random.Generator, size: int) -> Image:
    cv2 = opencv("drawing gestures")
    image = np.zeros((size, size, 3), np.float32) + colour(random)
    for _ in range(random.integers(3, 14)):
        corners = random.random(2) + random.normal(0, random.uniform(0.05, 0.3), (random.integers(3, 6), 2))
        cv2.fillPoly(image, [(corners * size).astype(np.int32)], colour(random).tolist())
    for _ in range(random.integers(0, 10)):
        (x0, y0), (x1, y1) = random.integers(0, size, (2, 2)).tolist()
        cv2.line(image, (x0, y0), (x1, y1), colour(random).tolist(), int(random.integers(1, 4)), cv2.LINE_AA)
    return image


#: The kinds of textures. A plain wall is twice as likely as each of the others.
TEXTURES: tuple[Callable[[np.random.Generator, int], Any], ...] = (
    *(_wall, _wall, _mottled, _foliage, _folds, _wood, _pattern, _shelves, _clutter),
)


def _two_colours(random: np.random.Generator, share: Image) -> Image:
    """Blend two random colours. ``share`` is the share of the second one in each pixel; it is clipped to 0 to 1."""
    first, second = colour(random), colour(random)
    image: Image = first + (second - first) * np.clip(share, 0, 1)
    return image


def _region(random: np.random.Generator, size: int) -> Image:
    """Draw the mask of a second texture, float32 [size, size, 1]: a quadrilateral, or one side of a straight edge."""
    cv2 = opencv("drawing gestures")
    mask = np.zeros((size, size), np.float32)
    if random.random() < 0.6:
        corners = (random.random((4, 2)) * 1.4 - 0.2) * size
        cv2.fillConvexPoly(mask, cv2.convexHull(corners.astype(np.int32)), 1.0, cv2.LINE_AA)
    else:
        x, y = _grid(size)
        turn = random.choice([0, pi / 2]) + random.normal(0, 0.1)
        mask = np.clip(((x - 0.5) * cos(turn) + (y - 0.5) * sin(turn) + random.uniform(-0.35, 0.35)) * size, 0, 1)
    return mask[..., None]


def _grid(size: int) -> npt.NDArray[np.float32]:
    """Return the x and the y of every pixel, 0 to 1: float32 [2, size, size]."""
    across = np.linspace(0, 1, size, dtype=np.float32)
    return np.stack(np.meshgrid(across, across))
