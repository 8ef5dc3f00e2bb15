"""Deterministic waves and settings of the golden log-mel values, and which of the values are stored.

``golden_log_mel.npz`` was computed once from these waves, with torchaudio 2.11.0 and torch 2.13.0 on a CPU:

    torchaudio.transforms.MelSpectrogram(
        rate, n_fft=transform * rate, win_length=window * rate, hop_length=hop * rate, n_mels=bands, power=2.0,
        f_min=0.0, f_max=top, mel_scale="htk", norm=None, center=True, pad_mode="reflect",
    )

of the float32 wave, then ``torch.log(power + eps)``. The array "case.wave.channel" holds the columns and bands that
``chosen`` returns, and "case.wave.channel.shape" the number of all columns and bands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]


def chirp(rate: int) -> Samples:
    """A tone that rises from 100 Hz to 7 kHz, over weak noise."""
    t = np.arange(int(0.8 * rate)) / rate
    phase = 2 * np.pi * (100 * t + (7000 - 100) / (2 * 0.8) * t**2)
    return (0.5 * np.sin(phase) + noise(len(t), 0.003)).astype(np.float32)


def bursts(rate: int) -> Samples:
    """Three decaying bursts of noise."""
    t = np.arange(int(0.9 * rate)) / rate
    level = sum(np.where(t >= begin, np.exp(-(t - begin) / 0.02), 0) for begin in (0.1, 0.35, 0.7))
    return (noise(len(t), 0.3) * level + noise(len(t), 1e-3, 2)).astype(np.float32)


def hum(rate: int) -> Samples:
    """Harmonics of 120 Hz, over noise."""
    t = np.arange(int(0.6 * rate)) / rate
    return (sum(0.1 / k * np.sin(2 * np.pi * 120 * k * t + k) for k in range(1, 30)) + noise(len(t), 0.01)).astype("f4")


def noise(length: int, level: float, seed: int = 1) -> npt.NDArray[np.float64]:
    """White noise from a linear congruential generator, so that it does not depend on the version of numpy."""
    state, values = seed, np.empty(length)
    for index in range(length):
        state = (1664525 * state + 1013904223) % 2**32
        values[index] = state / 2**31 - 1
    return level * values


WAVES: dict[str, Callable[[int], Samples]] = {"chirp": chirp, "bursts": bursts, "hum": hum}
_WINDOWS: dict[str, Any] = {"windows": (0.025, 0.05, 0.1), "hops": (0.01, 0.025, 0.05), "transform": 0.1, "eps": 1e-6}
#: {case: (settings, samples per second)}: the settings of the published network, and edgeshift's default.
CASES: dict[str, tuple[dict[str, Any], int]] = {
    "published": ({**_WINDOWS, "bands": 224, "top": 24_000.0}, 48_000),
    "default": ({**_WINDOWS, "bands": 112, "top": 7500.0}, 16_000),
}


def chosen(columns: int, bands: int) -> tuple[list[int], list[int]]:
    """Return the indices of the stored columns, which include the mirrored ends, and of the stored bands."""
    return sorted({0, 1, *range(3, columns, 11), columns - 1}), sorted({*range(0, bands, 7), bands - 1})
