"""Whistles that glide up or down, and beeps. All have a largest absolute value of 1."""

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
)


def whistle_up(random: np.random.Generator, rate: int) -> Vector:
    """Draw a whistle that glides upwards."""
    return _whistle(random, rate, upwards=True)


def whistle_down(random: np.random.Generator, rate: int) -> Vector:
    """Draw a whistle that glides downwards."""
    return _whistle(random, rate, upwards=False)


def _whistle(random: np.random.Generator, rate: int, upwards: bool) -> Vector:
    low, ratio = log_uniform(random, 750, 1500), random.uniform(1.35, 2.1)
    seconds = log_uniform(random, 0.3, 0.9)
    times = seconds_of(seconds, rate)
    # The glide takes a part of the whistle; before and after it the pitch rests.
    begin, end = random.uniform(0, 0.3), random.uniform(0.7, 1)
    share = ((times / seconds - begin) / (end - begin)).clip(0, 1) ** random.uniform(0.7, 1.5)
    share = share * share * (3 - 2 * share)
    pitch = low * ratio ** (share if upwards else 1 - share)
    vibrato = random.uniform(0, 0.006) * np.sin(2 * np.pi * random.uniform(4, 7) * times + random.uniform(0, 6))
    phase = 2 * np.pi * np.cumsum(pitch * (1 + vibrato)) / rate
    tone = np.sin(phase) + decibel(random.uniform(-40, -22)) * np.sin(2 * phase + random.uniform(0, 6))
    # Air makes the tone rough, and hisses beside it.
    rough = noise(random, len(times), rate, band(5, 120))
    hiss = noise(random, len(times), rate, band(1000, 6000))
    tone = tone * (1 + random.uniform(0.03, 0.15) * rough) + decibel(random.uniform(-58, -38)) * hiss
    return at_peak(tone * edges(len(times), rate, random.uniform(0.02, 0.08), random.uniform(0.03, 0.12)))


def beep(random: np.random.Generator, rate: int) -> Vector:
    """Draw one to four beeps of a device: steady pitches with sharp edges."""
    pitches = log_uniform(random, 450, 3200) * np.array([1.0, 2 ** (random.integers(-7, 8) / 12)])
    seconds, gap = log_uniform(random, 0.06, 0.35), log_uniform(random, 0.04, 0.25)
    alternate = random.random() < 0.3
    harmonics = [(1, 1.0)] if random.random() < 0.5 else [(k, 1 / k) for k in range(1, 8, int(random.integers(1, 3)))]
    times = seconds_of(seconds, rate)

    def one(pitch: float) -> Vector:
        partials = [(k * pitch, level) for k, level in harmonics if k * pitch < 0.45 * rate]
        tone = sum(level * np.sin(2 * np.pi * frequency * times) for frequency, level in partials)
        return np.asarray(tone) * edges(len(times), rate, 0.003, random.uniform(0.003, 0.02))

    count = int(random.integers(1, 5))
    parts = [(index * (seconds + gap), one(pitches[index % 2 if alternate else 0])) for index in range(count)]
    return at_peak(sequence(parts, rate))
