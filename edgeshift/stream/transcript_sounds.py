"""The sounds of a transcript. They are computed with integers, so that they are the same in every language."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgeshift.stream.transcript import Sound, golden_bytes

#: Samples of a part of the sound. Each part has another level and another pitch.
PART = 800
#: Numbers from which the golden bytes of the pitches and of the levels are counted.
PITCHES, LEVELS = 1 << 30, 3 << 29


def samples_of(seed: int, sound: Sound, first: int, count: int) -> npt.NDArray[np.float32]:
    """Return samples of a sound, float32 [count] within -1 to 1. docs/reference/transcript.md has the formula.

    Args:
        seed: the seed of the transcript.
        sound: "drawn": square waves with noise. "silent": zeros. "clipped": the sign of each drawn sample.
        first: number of the first sample, counted from the beginning of the sound.
        count: number of samples.
    """
    if sound == "silent":
        return np.zeros(count, np.float32)
    index = np.arange(first, first + count, dtype=np.int64)
    part = index // PART
    noise = 256 * _byte(seed + 2 * index) + _byte(seed + 2 * index + 1) - 32768
    period = 8 + _byte(seed + PITCHES + part) % 120
    level = 2 + _byte(seed + LEVELS + part) % 8
    square = np.where(index // period % 2, 16384, -16384)
    values = (square + (noise >> 2)) >> level
    return np.where(values < 0, -1, 1).astype(np.float32) if sound == "clipped" else (values / 32768).astype(np.float32)


def _byte(indices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return golden_bytes(indices).astype(np.int64)
