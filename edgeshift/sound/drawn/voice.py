"""Sounds like a voice: syllables of vowels with formants, and consonants of noise. No language is meant."""

from __future__ import annotations

import numpy as np

from edgeshift.sound.drawn.shaping import (
    Vector,
    at_peak,
    band,
    decibel,
    edges,
    log_uniform,
    noise,
    seconds_of,
    sequence,
    strike,
)

#: Frequencies of the first three formants of vowels of a man, Hz.
VOWELS = (
    (730, 1090, 2440),
    (530, 1840, 2480),
    (270, 2290, 3010),
    (570, 840, 2410),
    (300, 870, 2240),
    (500, 1500, 2500),
)
WIDTHS = (80.0, 100.0, 140.0, 220.0)
#: Seconds between the moments at which pitch and formants are computed.
SPACING = 0.005


def voice(random: np.random.Generator, rate: int) -> Vector:
    """Draw two to eight syllables of one speaker. The largest absolute value is 1."""
    pitch, size = log_uniform(random, 90, 260), random.uniform(0.95, 1.05)
    size *= 0.9 + 0.3 * (np.log(pitch / 90) / np.log(260 / 90))  # high voices have short vocal tracts
    count = int(random.integers(2, 9))
    parts, time = [], 0.0
    for index in range(count):
        consonant = _consonant(random, rate)
        parts.append((time, consonant))
        time += max(len(consonant) / rate - 0.02, 0)
        vowel = _vowel(random, rate, pitch * (1.08 - 0.16 * index / count) * random.uniform(0.9, 1.12), size)
        parts.append((time, vowel * random.uniform(0.5, 1)))
        time += len(vowel) / rate + (random.uniform(0, 0.06) if random.random() < 0.8 else random.uniform(0.1, 0.25))
    return at_peak(sequence(parts, rate))


def _vowel(random: np.random.Generator, rate: int, pitch: float, size: float) -> Vector:
    seconds = random.uniform(0.09, 0.26)
    times = seconds_of(seconds, rate)
    moments = np.arange(0, seconds + SPACING, SPACING)
    share = moments / moments[-1]
    first, second = (np.array([*VOWELS[random.integers(len(VOWELS))], 3500.0]) * size for _ in range(2))
    glide = share[:, None] if random.random() < 0.5 else 0.25 * share[:, None]
    formants = first * (1 - glide) + second * glide
    melody = pitch * (1 + random.uniform(-0.12, 0.12) * (share - 0.5) + random.uniform(0, 0.05) * np.sin(np.pi * share))
    phase = 2 * np.pi * np.cumsum(np.interp(times, moments, melody)) / rate
    sound = np.zeros(len(times))
    for k in range(1, int(min(5500, 0.45 * rate) / melody.max()) + 1):
        level = _formant_gain(k * melody, formants) / k  # a glottis and lips together fall by 6 dB an octave
        sound += np.interp(times, moments, level) * np.sin(k * phase)
    sound = at_peak(sound)
    breath = noise(random, len(times), rate, band(1500, 5000)) * decibel(random.uniform(-56, -40))
    return (sound + breath) * edges(len(times), rate, random.uniform(0.015, 0.04), random.uniform(0.03, 0.07))


def _formant_gain(frequencies: Vector, formants: Vector) -> Vector:
    """Return the amplification by all formants, [moments]."""
    ratio = frequencies[:, None] / formants
    gains = 1 / np.sqrt((1 - ratio**2) ** 2 + (ratio * np.array(WIDTHS) / formants) ** 2)
    product: Vector = gains.prod(1)
    return product


def _consonant(random: np.random.Generator, rate: int) -> Vector:
    kind = random.random()
    if kind < 0.4:  # as in "s" or "f"
        seconds, low = random.uniform(0.05, 0.12), random.uniform(1500, 4500)
        hiss = noise(random, int(seconds * rate), rate, band(low, low * 1.8, 3))
        return hiss * edges(len(hiss), rate, 0.02, 0.02) * decibel(random.uniform(-34, -18))
    if kind < 0.7:  # as in "t" or "k": silence, then a short burst
        times = seconds_of(0.03, rate)
        burst = noise(random, len(times), rate, band(random.uniform(800, 2500), 6000)) * strike(times, 5e-4, 0.006)
        return sequence([(random.uniform(0.03, 0.07), burst * decibel(random.uniform(-28, -14)))], rate)
    return np.zeros(int(0.02 * rate))
