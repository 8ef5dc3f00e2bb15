"""Short sounds of a strike: claps, finger snaps and knocks. All have a largest absolute value of 1."""

from __future__ import annotations

import numpy as np

from edgeshift.sound.drawn.shaping import (
    Vector,
    at_peak,
    band,
    decibel,
    log_uniform,
    noise,
    resonance,
    seconds_of,
    sequence,
    strike,
)


def clap(random: np.random.Generator, rate: int) -> Vector:
    """Draw one clap of two hands."""
    return at_peak(_Hands(random).clap(random, rate))


def double_clap(random: np.random.Generator, rate: int) -> Vector:
    """Draw two claps of the same hands."""
    hands = _Hands(random)
    first, second = hands.clap(random, rate), hands.clap(random, rate) * random.uniform(0.7, 1.2)
    return at_peak(sequence([(0, first), (random.uniform(0.17, 0.4), second)], rate))


class _Hands:
    """Two hands: how they are held determines the spectrum of their claps, and how fast these decay."""

    def __init__(self, random: np.random.Generator) -> None:
        self.centre = log_uniform(random, 800, 2400)
        self.quality = random.uniform(0.5, 1.6)
        self.decay = log_uniform(random, 0.004, 0.013)
        self.brightness = random.uniform(-26, -12)

    def clap(self, random: np.random.Generator, rate: int) -> Vector:
        times, centre = seconds_of(0.16, rate), self.centre * random.uniform(0.93, 1.07)
        body = noise(random, len(times), rate, lambda f: resonance(centre, self.quality)(f) * band(250, 9000)(f))
        bright = noise(random, len(times), rate, band(2000, 9000)) * decibel(self.brightness)
        level = strike(times, random.uniform(2e-4, 1e-3), self.decay)
        tail = strike(times, 0.002, 0.03) * decibel(random.uniform(-28, -18))
        hit = (body + bright) * (level + tail)
        # The fingers meet a moment before or after the palms.
        fingers = (body[::-1] + bright) * strike(times, 3e-4, self.decay / 2) * decibel(random.uniform(-15, -3))
        return sequence([(0, hit), (random.uniform(0.001, 0.007), fingers)], rate)


def snap(random: np.random.Generator, rate: int) -> Vector:
    """Draw one snap of two fingers: a short rub, then a strike that is narrower and higher than a clap."""
    times, centre = seconds_of(0.08, rate), log_uniform(random, 2000, 4200)
    second, quality, share = centre * random.uniform(1.25, 1.7), random.uniform(4, 9), random.uniform(0.1, 0.5)

    def curve(frequencies: Vector) -> Vector:
        both = resonance(centre, quality)(frequencies) + share * resonance(second, quality)(frequencies)
        low: Vector = both * band(1300, 9000, 3)(frequencies)
        return low

    hit = noise(random, len(times), rate, curve) * strike(times, 3e-4, log_uniform(random, 0.0025, 0.006))
    rub_seconds = random.uniform(0.025, 0.07)
    rub_samples = int(rub_seconds * rate)
    rub = noise(random, rub_samples, rate, band(2500, 7000)) * np.linspace(0, 1, rub_samples)
    return at_peak(sequence([(0, rub * decibel(random.uniform(-38, -26))), (rub_seconds, at_peak(hit))], rate))


def knock(random: np.random.Generator, rate: int) -> Vector:
    """Draw one to five knocks on the same piece of wood."""
    times, lowest = seconds_of(0.25, rate), log_uniform(random, 90, 260)
    modes = lowest * np.cumprod(np.concatenate([[1.0], random.uniform(1.25, 1.75, random.integers(3, 6))]))
    levels = np.exp(-np.arange(len(modes)) * random.uniform(0.25, 0.7)) * random.uniform(0.5, 1.2, len(modes))
    decay, gap = log_uniform(random, 0.012, 0.045), random.uniform(0.14, 0.28)

    def hit() -> Vector:
        total = np.zeros(len(times))
        for index, (frequency, level) in enumerate(
            zip(modes, levels * random.uniform(0.8, 1.2, len(modes)), strict=True)
        ):
            ring = np.sin(2 * np.pi * frequency * times + random.uniform(0, 0.5))
            total += level * ring * strike(times, 8e-4, decay / (1 + 0.5 * index))
        click = noise(random, len(times), rate, band(200, 2200)) * strike(times, 4e-4, 0.0025)
        return total + click * random.uniform(0.1, 0.5)

    count = int(random.choice([1, 2, 2, 3, 3, 4, 5]))
    begins = np.concatenate([[0.0], np.cumsum(gap * random.uniform(0.9, 1.1, count - 1))])
    return at_peak(sequence([(begin, hit() * random.uniform(0.6, 1)) for begin in begins], rate))
