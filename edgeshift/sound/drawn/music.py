"""Sounds like music: chords of plucked or steady notes with a bass, and often drums. No melody is meant."""

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

#: Notes of chords in half tones above the key: major, minor, and chords on other notes of the scale.
CHORDS = ((0, 4, 7), (0, 3, 7), (5, 9, 12), (7, 11, 14), (-3, 0, 4), (2, 5, 9), (-3, 0, 4, 7), (5, 9, 12, 16))


def music(random: np.random.Generator, rate: int) -> Vector:
    """Draw three to eight beats of music. The largest absolute value is 1."""
    beat, key = 60 / random.uniform(80, 150), log_uniform(random, 130, 390)
    beats, plucked, split = int(random.integers(3, 9)), random.random() < 0.6, random.random() < 0.4
    partials = 1 / np.arange(1, int(random.integers(4, 10))) ** random.uniform(0.8, 2)
    parts = []
    for index in range(beats):
        if index % 2 == 0 or random.random() < 0.3:
            chord = CHORDS[random.integers(len(CHORDS))]
        for number, half_tones in enumerate(chord):
            tone = _note(random, rate, key * 2 ** (half_tones / 12), beat * random.uniform(0.9, 1.6), partials, plucked)
            parts.append((beat * (index + (number / len(chord) if split else 0)), tone))
        bass = _note(random, rate, key * 2 ** (chord[0] / 12) / 2, beat, partials[:3], plucked)
        parts.append((beat * index, bass * 1.2))
    if random.random() < 0.5:
        level = decibel(random.uniform(-10, 2))
        parts += [(begin, part * level) for begin, part in _drums(random, rate, beat, beats)]
    return at_peak(sequence(parts, rate))


def _note(
    random: np.random.Generator, rate: int, pitch: float, seconds: float, partials: Vector, plucked: bool
) -> Vector:
    times = seconds_of(seconds, rate)
    tone, decay = np.zeros(len(times)), log_uniform(random, 0.15, 0.7)
    for index, level in enumerate(partials):
        frequency = pitch * (index + 1)
        if frequency < 0.45 * rate:
            ring = np.exp(-times * (1 + 0.4 * index) / decay) if plucked else 1.0
            tone += level * ring * np.sin(2 * np.pi * frequency * times + random.uniform(0, 6))
    return tone * edges(len(times), rate, 0.005 if plucked else 0.05, 0.05) * random.uniform(0.6, 1)


def _drums(random: np.random.Generator, rate: int, beat: float, beats: int) -> list[tuple[float, Vector]]:
    """Return bass drum and snare drum in turn, and a cymbal on every half beat."""
    times = seconds_of(0.2, rate)
    drum = np.sin(2 * np.pi * (50 * times + 70 * 0.03 * (1 - np.exp(-times / 0.03)))) * strike(times, 0.002, 0.08)
    hiss = noise(random, len(times), rate, band(800, 7000)) * random.uniform(0, 0.3)
    snare = (hiss + 0.3 * np.sin(2 * np.pi * 190 * times)) * strike(times, 0.001, random.uniform(0.05, 0.1))
    cymbal = 0.12 * noise(random, len(times), rate, band(5000, 9000, 3)) * strike(times, 0.001, 0.025)
    hits = [(beat * index, snare if index % 2 else drum) for index in range(beats)]
    return hits + [(beat * index / 2, cymbal) for index in range(2 * beats)]
