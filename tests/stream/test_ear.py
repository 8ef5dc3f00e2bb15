"""The ear: gaps, silence, clipping and late sound are noticed, and the sound is left out until it is whole again."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshift.errors import EdgeshiftError, SoundError
from edgeshift.sound import SoundSettings, picture_of
from edgeshift.stream.ear import LATE, MOST_PIECES, Ear

RATE, SIZE = 16_000, 64
SETTINGS = SoundSettings(seconds=1.0, frames=4, bands=32)
PIECE = RATE // 10


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (0.1 * random.standard_normal(round(seconds * RATE))).astype(np.float32).clip(-0.9, 0.9)


def give(ear: Ear, samples: np.ndarray, begin: float = 0.0) -> float:
    """Give samples in pieces of 0.1 s, and return the time after the last one."""
    for start in range(0, len(samples), PIECE):
        ear.hear(samples[start : start + PIECE], begin + start / RATE, RATE)
    return begin + len(samples) / RATE


@pytest.fixture
def ear() -> Ear:
    return Ear(SETTINGS, SIZE)


def test_a_sound_is_heard_when_all_of_its_seconds_are_there(ear):
    assert ear.hearing() == "deaf"
    end = give(ear, noise(0.9))
    assert ear.hearing(end) == "waiting"
    sound = noise(1.5, seed=1)
    ear.deafen()
    end = give(ear, sound, 20.0)
    assert ear.hearing(end) == "heard"
    assert np.array_equal(ear.picture(), picture_of(sound, RATE, SETTINGS, SIZE))


def test_there_is_no_picture_before(ear):
    with pytest.raises(SoundError, match="not enough samples"):
        ear.picture()
    give(ear, noise(0.5))
    with pytest.raises(SoundError, match="not enough samples"):
        ear.picture()


@pytest.mark.parametrize("gap", [0.05, 0.1, 2.0, -0.2])
def test_after_a_gap_the_seconds_must_be_heard_again(ear, gap):
    end = give(ear, noise(1.5)) + gap
    ear.hear(noise(0.1, seed=2), end, RATE)
    assert ear.hearing(end) == "waiting"
    sound = noise(1.5, seed=3)
    end = give(ear, sound, end + 0.1)
    assert ear.hearing(end) == "heard"
    assert np.array_equal(ear.picture()[:, 8:], picture_of(sound, RATE, SETTINGS, SIZE)[:, 8:])


def test_a_small_jitter_is_no_gap(ear):
    random = np.random.default_rng(4)
    sound = noise(1.5)
    for start in range(0, len(sound), PIECE):
        ear.hear(sound[start : start + PIECE], start / RATE + random.uniform(-0.01, 0.01), RATE)
    assert ear.hearing() == "heard"


@pytest.mark.parametrize("silence", [0.06, 0.1, 0.4])
@pytest.mark.parametrize("piece", [160, 1600, 7999])
def test_a_dropout_filled_with_zeros_is_a_gap(ear, silence, piece):
    """A driver fills lost samples with zeros. The network would take both ends of the zeros for claps."""
    sound = noise(1.5)
    begin = RATE // 2 + 137
    sound[begin : begin + round(silence * RATE)] = 0
    for start in range(0, len(sound), piece):
        ear.hear(sound[start : start + piece], start / RATE, RATE)
    assert ear.hearing() == "waiting"
    give(ear, noise(1.0, seed=5), len(sound) / RATE)
    assert ear.hearing() == "heard"


def test_few_zeros_are_no_gap(ear):
    sound = noise(1.5)
    sound[9000 : 9000 + 300] = 0
    give(ear, sound)
    assert ear.hearing() == "heard"


@pytest.mark.parametrize("value", [0.0, 0.25])
def test_a_microphone_that_gives_one_value_is_silent(ear, value):
    end = give(ear, noise(1.5))
    give(ear, np.full(RATE, value, np.float32), end)
    assert ear.hearing(end + 1) == "silent"


def test_clipped_sound_is_left_out_until_it_is_over(ear):
    loud = np.clip(30 * noise(1.2), -1, 1)
    end = give(ear, loud)
    assert ear.hearing(end) == "clipped"
    end = give(ear, noise(1.3, seed=6), end)
    assert ear.hearing(end) == "heard"


def test_late_sound_is_left_out(ear):
    end = give(ear, noise(1.5))
    assert ear.hearing(end + LATE - 0.01) == "heard"
    assert ear.hearing(end + LATE + 0.01) == "late"


def test_pieces_without_samples_change_nothing(ear):
    """A microphone that gives no samples is lost, also if the times of its pieces advance."""
    ear.hear(noise(0), 5.0, RATE)
    assert ear.hearing(5.0) == "deaf"
    end = give(ear, noise(1.5))
    for index in range(61):
        ear.hear(noise(0), end + index / 100, RATE)
    ear.hear(noise(0), end, 48_000)
    assert ear.hearing(end + LATE - 0.01) == "heard" and ear.end == end
    assert ear.hearing(end + LATE + 0.01) == "late"
    ear.hear(noise(0.1), end + 0.6, RATE)
    assert ear.hearing(end + 0.7) == "waiting"


def test_another_rate_begins_a_new_sound(ear):
    end = give(ear, noise(1.5))
    ear.hear(noise(0.1), end, 48_000)
    assert ear.hearing() == "waiting"


def test_memory_is_bounded(ear):
    for index in range(400):
        ear.hear(noise(0.1, seed=index), index / 10, RATE)
    assert len(ear._loud) <= 12


@pytest.mark.parametrize(
    ("samples", "timestamp", "rate", "message"),
    [
        (np.zeros(10, np.float32), float("nan"), RATE, "is not a time"),
        (np.full(10, np.nan, np.float32), 0.0, RATE, "not finite"),
        (np.zeros((10, 2), np.float32), 0.0, RATE, "one channel"),
        (np.zeros(10, np.float32), 0.0, 8000, "8,?000"),
    ],
)
def test_bad_samples_are_refused_and_change_nothing(ear, samples, timestamp, rate, message):
    end = give(ear, noise(1.5))
    with pytest.raises(EdgeshiftError, match=message):
        ear.hear(samples, timestamp, rate)
    assert ear.hearing(end) == "heard"


def test_pieces_with_one_timestamp_do_not_fill_the_memory(ear, monkeypatch):
    """Their end stays the same, so none of them becomes too old."""
    assert MOST_PIECES == 65_536  # as in runtimes/native/src/ear.cpp
    monkeypatch.setattr("edgeshift.stream.ear.MOST_PIECES", 100)
    ear.deafen()
    sound = noise(2.0)
    for start in range(0, len(sound), 160):
        ear.hear(sound[start : start + 160], 5.0, RATE)
    assert len(ear._loud) == 100 and ear.hearing(5.0) == "heard"
    for _ in range(100):  # the newest pieces alone decide whether the sound is clipped
        ear.hear(np.sign(noise(0.01)), 5.0, RATE)
    assert len(ear._loud) == 100 and ear.hearing(5.0) == "clipped"
