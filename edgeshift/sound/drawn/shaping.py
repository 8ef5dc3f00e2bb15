"""What all drawn sounds are made of: noise with a spectrum, envelopes, and filters that are curves over frequency."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
#: Returns the amplification at frequencies, which are above 0 Hz.
Curve = Callable[[Vector], Vector]


def decibel(level: float) -> float:
    """Return the amplitude of a level in dB."""
    return float(10 ** (level / 20))


def seconds_of(seconds: float, rate: int) -> Vector:
    """Return the times of the samples of a duration, seconds."""
    return np.arange(max(int(seconds * rate), 1)) / rate


def log_uniform(random: np.random.Generator, low: float, high: float) -> float:
    """Return a random number whose logarithm is evenly distributed."""
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def fast_length(samples: int) -> int:
    """Return the smallest of 2^k, 3 * 2^k and 5 * 2^k from ``samples`` upwards: Fourier transforms of it are fast."""
    return min(factor << max(-(-samples // factor) - 1, 1).bit_length() for factor in (1, 3, 5))


def filtered(sound: Vector, rate: int, curve: Curve) -> Vector:
    """Return a sound whose spectrum is multiplied by a curve."""
    size = fast_length(len(sound))
    frequencies = np.fft.rfftfreq(size, 1 / rate).clip(1)
    return np.fft.irfft(np.fft.rfft(sound, size) * curve(frequencies), size)[: len(sound)]


def noise(random: np.random.Generator, samples: int, rate: int, curve: Curve) -> Vector:
    """Return noise with the spectrum of a curve and the mean square 1."""
    shaped = filtered(random.normal(size=fast_length(samples)), rate, curve)[:samples]
    return shaped / max(float(np.sqrt(np.mean(shaped**2))), 1e-12)


def minimum_phase(gain: Vector) -> npt.NDArray[np.complex128]:
    """Return the spectrum of the filter with an amplification that answers as early as possible, and never too early.

    Args:
        gain: float64 [N / 2 + 1], amplification at the frequencies of a Fourier transform of N samples, N even.
    """
    # The logarithm of the spectrum becomes a causal sequence: its part before time 0 is folded to the part after it.
    cepstrum = np.fft.irfft(np.log(gain.clip(1e-4)))
    half = len(cepstrum) // 2
    cepstrum[1:half] *= 2
    cepstrum[half + 1 :] = 0
    return np.exp(np.fft.rfft(cepstrum))


def band(low: float, high: float, order: float = 2.0) -> Curve:
    """Return the curve of a band of frequencies. It falls by ``order`` times 6 dB an octave on both sides."""

    def curve(frequencies: Vector) -> Vector:
        gain: Vector = 1 / np.sqrt((1 + (low / frequencies) ** (2 * order)) * (1 + (frequencies / high) ** (2 * order)))
        return gain

    return curve


def resonance(centre: float, quality: float) -> Curve:
    """Return the curve of a resonance. It is 1 at its centre."""

    def curve(frequencies: Vector) -> Vector:
        gain: Vector = 1 / np.sqrt(1 + quality**2 * (frequencies / centre - centre / frequencies) ** 2)
        return gain

    return curve


def strike(times: Vector, attack: float, decay: float) -> Vector:
    """Return an envelope that rises within ``attack`` seconds and then falls to 1/e within ``decay`` seconds."""
    level: Vector = np.minimum(times / attack, 1) * np.exp(-np.maximum(times - attack, 0) / decay)
    return level


def edges(length: int, rate: int, attack: float, release: float) -> Vector:
    """Return an envelope of 1 with smooth edges at its beginning and its end, of ``attack`` and ``release`` seconds."""
    level = np.ones(length)
    rise, fall = (np.arange(min(int(edge * rate), length)) / (edge * rate) for edge in (attack, release))
    level[: len(rise)] *= np.sin(rise * np.pi / 2) ** 2
    level[length - len(fall) :] *= np.sin(fall[::-1] * np.pi / 2) ** 2
    return level


def at_peak(sound: Vector) -> Vector:
    """Return a sound whose largest absolute value is 1."""
    return sound / max(float(np.abs(sound).max()), 1e-9)


def sequence(parts: list[tuple[float, Vector]], rate: int) -> Vector:
    """Return the sum of sounds that begin at given seconds."""
    length = max(int(begin * rate) + len(part) for begin, part in parts)
    total = np.zeros(length)
    for begin, part in parts:
        total[int(begin * rate) : int(begin * rate) + len(part)] += part
    return total
