"""The room of a drawn sound: echoes, distance, the microphone, and the noise of the background."""

from __future__ import annotations

import numpy as np

from edgeshift.sound.drawn.shaping import (
    Curve,
    Vector,
    band,
    decibel,
    edges,
    fast_length,
    filtered,
    log_uniform,
    minimum_phase,
    noise,
)

#: Longest piece of background noise that is made at once, seconds, and the time in which one piece follows another.
PIECE, OVERLAP = 20.0, 0.1


class Room:
    """A room with a microphone and background noise. ``random`` determines it.

    Attributes:
        noise_level: root mean square of the background, dB below full scale, -92 to -42.
    """

    def __init__(self, random: np.random.Generator, rate: int) -> None:
        self.rate = rate
        self.noise_level = float(random.triangular(-92, -68, -42))
        self._reverberation = log_uniform(random, 0.12, 0.9)
        self._dullness = random.uniform(1500, 6000)
        self._microphone = _microphone(random)
        self._slope, self._hum = random.uniform(0, 1.8), random.uniform(-40, 6) if random.random() < 0.4 else None
        self._mains = float(random.choice([50.0, 60.0]))
        self._swell = random.uniform(0, 2.5)

    def background(self, random: np.random.Generator, samples: int) -> Vector:
        """Return the noise of the room."""
        rate, length, overlap = self.rate, int(PIECE * self.rate), int(OVERLAP * self.rate)
        total = np.zeros(samples + overlap)
        rise = np.sin(np.linspace(0, np.pi / 2, overlap))
        for begin in range(0, samples, length):
            size = min(length, samples - begin) + overlap
            piece = noise(random, size, rate, self._noise_curve)
            if begin:
                piece[:overlap] *= rise
            if begin + length < samples:
                piece[-overlap:] *= rise[::-1]
            total[begin : begin + size] += piece
        sound = total[:samples]
        times = np.arange(samples) / rate
        for k in range(1, 8) if self._hum is not None else ():
            level = decibel((self._hum or 0) - 6 * k) * np.sqrt(2)
            sound += level * np.sin(2 * np.pi * self._mains * k * times + random.uniform(0, 6))
        knots = np.arange(0, samples / rate + 2, 1.0)
        swell = np.interp(times, knots, random.normal(0, self._swell, len(knots)))
        return sound * 10 ** (swell / 20) * decibel(self.noise_level)

    def place(self, random: np.random.Generator, dry: Vector, level: float) -> Vector:
        """Return a sound as the microphone hears it, with echoes behind its end.

        Args:
            random: determines the distance and the echoes.
            dry: the sound with a largest absolute value of 1.
            level: peak of the direct sound, dB below full scale.
        """
        rate, distance = self.rate, log_uniform(random, 0.3, 5)
        length = int(min(self._reverberation, 0.8) * rate)
        times = np.arange(length) / rate
        # The echoes fall by 60 dB within the reverberation time. Near sounds have weaker ones.
        tail = random.normal(size=length) * np.exp(-6.9 * times / self._reverberation)
        tail = filtered(tail, rate, band(80, self._dullness, 1))
        tail *= decibel(random.uniform(-14, -6)) * min(distance / 2, 1.5) / np.sqrt(max(float(np.sum(tail**2)), 1e-12))
        tail[: int(0.004 * rate)] = 0
        for delay in random.uniform(0.002, 0.04, 6):  # walls and the table
            if int(delay * rate) < length:
                tail[int(delay * rate)] += random.uniform(-0.25, 0.25) * min(distance, 1.5)
        tail *= edges(length, rate, 1e-9, 0.03)
        heard = len(dry) + length
        size = fast_length(heard + int(0.1 * rate))
        tail[0] = 1
        spectrum = np.fft.rfft(dry, size) * np.fft.rfft(tail, size)
        frequencies = np.fft.rfftfreq(size, 1 / rate).clip(1)
        air: Vector = 1 / np.sqrt(1 + (frequencies / 6000) ** 2 * min(distance / 5, 1))
        spectrum *= minimum_phase(air * self._microphone(frequencies))
        return np.fft.irfft(spectrum, size)[:heard] * decibel(level)

    def _noise_curve(self, frequencies: Vector) -> Vector:
        coloured: Vector = (frequencies.clip(40) / 1000) ** (-self._slope / 2)
        return coloured * self._microphone(frequencies)


def _microphone(random: np.random.Generator) -> Curve:
    """Return the curve of a microphone: no low frequencies, and a few broad hills and valleys."""
    low, places = log_uniform(random, 30, 220), np.log([100, 300, 800, 2000, 4000, 8000])
    hills = random.normal(0, 2.5, len(places))

    def curve(frequencies: Vector) -> Vector:
        gain: Vector = 10 ** (np.interp(np.log(frequencies), places, hills) / 20) * band(low, 30_000, 1)(frequencies)
        return gain

    return curve
