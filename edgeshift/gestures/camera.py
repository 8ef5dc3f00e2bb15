"""A simulated camera. It shakes, adapts its exposure, has a tint, and adds noise."""

from __future__ import annotations

from math import cos, sin

import numpy as np
import numpy.typing as npt

from edgeshift.gestures.scene import Image
from edgeshift.video.fit import Frame, opencv

#: Share of a frame by which the scene is larger on each side, so that the camera can shake.
MARGIN = 1 / 7


class Camera:
    """The camera of one clip or stream.

    Args:
        random: generator of all variations. It is used only in the constructor.
        frames: number of frames.
        size: height and width of the frames, pixels.
        brightness: mean brightness of the scene, 0 to 1, to which the exposure adapts.
    """

    def __init__(self, random: np.random.Generator, frames: int, size: int, brightness: float) -> None:
        self.size = size
        shake = _walk(random.normal(0, random.choice([0, 0.0015, 0.004, 0.009]), (frames, 2)))
        drift = np.linspace(-1, 1, frames)[:, None] * random.normal(0, random.choice([0, 0, 0.016]), 2)
        self._moves = np.clip(shake - shake.mean(0) + drift, -MARGIN * 0.9, MARGIN * 0.9)
        self._rolls = _walk(random.normal(0, random.choice([0, 0.002, 0.005]), frames))
        # The exposure aims at a mean brightness, mostly bright and sometimes dim. The first frames may be too bright.
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

    def view(self, scene: Image, index: int) -> Image:
        """Return the part of a scene that is visible in frame ``index``: float32 [size, size, 3]."""
        cv2 = opencv("drawing gestures")
        turn, centre = self._rolls[index], scene.shape[0] / 2
        rotation = np.array([[cos(turn), -sin(turn)], [sin(turn), cos(turn)]])
        offset = self.size / 2 + self._moves[index] * self.size - rotation @ [centre, centre]
        matrix = np.column_stack([rotation, offset])
        visible: Image = cv2.warpAffine(scene, matrix, (self.size, self.size), borderMode=cv2.BORDER_REFLECT)
        return visible

    def expose(self, light: Image, index: int) -> Frame:
        """Return frame ``index`` of the camera, uint8, for the light that reaches its sensor, float32, 0 to 1."""
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
    """Return a random walk along the first axis that is pulled back to 0, so that it does not drift away."""
    positions = steps.copy()
    for index in range(1, len(positions)):
        positions[index] += 0.97 * positions[index - 1]
    return positions


def _grain(random: np.random.Generator, size: int) -> npt.NDArray[np.float32]:
    """Draw sensor noise, mostly equal in the three colours. It is larger than a frame; each frame uses a part of it."""
    side = size + size // 2
    grey = random.standard_normal((side, side, 1), dtype=np.float32)
    return grey + random.standard_normal((side, side, 3), dtype=np.float32) * np.float32(0.5)
