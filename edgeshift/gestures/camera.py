"""What a camera does to a scene: it shakes, settles its exposure, tints, and adds noise."""

from __future__ import annotations

from math import cos, sin

import numpy as np
import numpy.typing as npt

from edgeshift.gestures.scene import Image
from edgeshift.video.fit import Frame, opencv

MARGIN = 1 / 7  # of the picture: how much more of the scene is drawn on each side, for the camera to shake


class Camera:
    """One camera for one clip.

    Args:
        random: all that varies is drawn here, at the beginning.
        frames: how many frames it will take.
        size: pixels a side of each.
        brightness: mean of the scene, 0..1, which the exposure is meant for.
    """

    def __init__(self, random: np.random.Generator, frames: int, size: int, brightness: float) -> None:
        self.size = size
        shake = _walk(random.normal(0, random.choice([0, 0.0015, 0.004, 0.009]), (frames, 2)))
        drift = np.linspace(-1, 1, frames)[:, None] * random.normal(0, random.choice([0, 0, 0.016]), 2)
        self._moves = np.clip(shake - shake.mean(0) + drift, -MARGIN * 0.9, MARGIN * 0.9)
        self._rolls = _walk(random.normal(0, random.choice([0, 0.002, 0.005]), frames))
        # Aim at some mean brightness: mostly well lit, sometimes dim. The first frames may be too bright.
        aim = random.uniform(0.14, 0.24) if random.random() < 0.18 else random.uniform(0.28, 0.6)
        gains = np.full(frames, np.clip(aim / max(brightness, 0.02), 0.35, 2.5))
        if random.random() < 0.3:
            gains *= 1 + random.uniform(0.2, 1.2) * np.exp(-np.arange(frames) / random.uniform(0.6, 2.5))
        if random.random() < 0.15:
            gains *= 2 ** (np.linspace(-1, 1, frames) * random.normal(0, 0.3))
        tint, gamma = 2 ** random.normal(0, 0.1, 3), 2 ** random.normal(0, 0.2)
        levels = np.linspace(0, 1, 256)
        self._curves = np.stack([np.clip(levels * gain, 0, 1) ** gamma for gain in gains])[:, :, None] * tint * 255
        self._saturation = float(np.clip(random.normal(1, 0.25), 0.1, 1.8))
        self._blur = random.uniform(0.3, 1.0) if random.random() < 0.3 else 0.0
        self._noise = _grain(random, size) * np.float32(abs(random.normal(0, 5)))
        self._corners = random.integers(0, size // 2 + 1, (frames, 2))

    def see(self, scene: Image, index: int) -> Image:
        """The part of the scene that frame ``index`` shows: float32 [size, size, 3]."""
        cv2 = opencv("drawing gestures")
        turn, centre = self._rolls[index], scene.shape[0] / 2
        rotation = np.array([[cos(turn), -sin(turn)], [sin(turn), cos(turn)]])
        offset = self.size / 2 + self._moves[index] * self.size - rotation @ [centre, centre]
        matrix = np.column_stack([rotation, offset])
        seen: Image = cv2.warpAffine(scene, matrix, (self.size, self.size), borderMode=cv2.BORDER_REFLECT)
        return seen

    def expose(self, light: Image, index: int) -> Frame:
        """Turn light (float32, 0..1) into the picture that the camera puts out: uint8."""
        cv2 = opencv("drawing gestures")
        if self._saturation != 1:
            grey = cv2.cvtColor(light, cv2.COLOR_RGB2GRAY)[..., None]
            light = grey + (light - grey) * self._saturation
        curve = np.clip(self._curves[index], 0, 255).astype(np.uint8)[None]
        picture = cv2.LUT(np.clip(light * 255, 0, 255).astype(np.uint8), curve)
        if self._blur:
            picture = cv2.GaussianBlur(picture, (0, 0), self._blur)
        x, y = self._corners[index]
        noise = self._noise[y : y + self.size, x : x + self.size]
        exposed: Frame = np.clip(picture + noise, 0, 255).astype(np.uint8)
        return exposed


def _walk(steps: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A random walk that does not get lost: float64 like ``steps``, along the first axis."""
    places = steps.copy()
    for index in range(1, len(places)):
        places[index] += 0.97 * places[index - 1]
    return places


def _grain(random: np.random.Generator, size: int) -> npt.NDArray[np.float32]:
    """Sensor noise, mostly the same in all three colours. Larger than a frame: each takes another part of it."""
    side = size + size // 2
    grey = random.standard_normal((side, side, 1), dtype=np.float32)
    return grey + random.standard_normal((side, side, 3), dtype=np.float32) * np.float32(0.5)
