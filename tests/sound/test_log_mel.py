"""Log-mel spectrograms: torchaudio's values, and columns of a stream that equal those of the whole sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sound_waves import CASES, WAVES, chosen

from edgeshift.errors import SoundError
from edgeshift.sound import PUBLISHED, ColumnStream, SoundSettings, log_mel
from edgeshift.sound.analysis import analysis, samples_of
from edgeshift.sound.mel import hertz, mel, mel_filters

SETTINGS = SoundSettings(seconds=1.0, frames=4)
GOLDEN = Path(__file__).with_name("golden_log_mel.npz")


def settings_of(case: str) -> tuple[SoundSettings, int]:
    given, rate = CASES[case]
    return SoundSettings(seconds=0.5, frames=4, rate=rate, **given), rate


@pytest.mark.parametrize("wave", WAVES)
@pytest.mark.parametrize("case", CASES)
def test_log_mel_equals_torchaudio(case: str, wave: str):
    settings, rate = settings_of(case)
    with np.load(GOLDEN) as golden:
        for index, values in enumerate(log_mel(WAVES[wave](rate), rate, settings)):
            expected = golden[f"{case}.{wave}.{index}"]
            assert values.shape == tuple(golden[f"{case}.{wave}.{index}.shape"]) and values.dtype == np.float32
            difference = np.abs(values[np.ix_(*chosen(*values.shape))] - expected)
            assert expected.size > 50 and difference.max() < 5e-3


def test_the_golden_settings_are_those_of_the_network():
    given, rate = CASES["published"]
    for name, value in given.items():
        assert getattr(PUBLISHED, name) == value
    assert rate == PUBLISHED.rate
    given, rate = CASES["default"]
    for name, value in given.items():
        assert getattr(SETTINGS, name) == value
    assert rate == SETTINGS.rate


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
def test_columns_of_a_stream_equal_those_of_the_whole_sound(rate: int):
    random = np.random.default_rng(rate)
    sound = WAVES["bursts"](rate)
    stream, pieces = ColumnStream(SETTINGS, rate), []
    for size in [0, 1, *random.integers(1, rate // 5, 30), len(sound)]:
        begin = stream.heard
        pieces.append(stream.feed(sound[begin : begin + size]))
        assert len(stream._kept) <= rate * 0.15 + 2  # bounded by the longest window and its hop
    assert stream.heard == len(sound)
    channels = analysis(SETTINGS, rate).channels
    for index, whole in enumerate(log_mel(sound, rate, SETTINGS)):
        columns, first = np.concatenate([piece[index] for piece in pieces]), channels[index].first
        assert len(columns) > 5
        assert np.array_equal(columns, whole[first : first + len(columns)])
        # The next column would need a sample that is not there.
        end = (first + len(columns)) * channels[index].hop - channels[index].lead + len(channels[index].window)
        assert end - channels[index].hop <= len(sound) < end


def test_a_reset_stream_starts_again():
    sound, stream = WAVES["hum"](16_000), ColumnStream(SETTINGS, 16_000)
    first = stream.feed(sound)
    stream.reset()
    assert stream.heard == 0
    for again, before in zip(stream.feed(sound), first, strict=True):
        assert np.array_equal(again, before)


def test_a_long_piece_is_analysed_in_batches():
    sound = np.tile(WAVES["chirp"](16_000), 6)
    whole = ColumnStream(SETTINGS, 16_000).feed(sound)
    stream = ColumnStream(SETTINGS, 16_000)
    pieces = [stream.feed(piece) for piece in np.array_split(sound, 97)]
    for index in range(3):
        assert np.array_equal(whole[index], np.concatenate([piece[index] for piece in pieces]))


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
def test_another_rate_gives_nearly_the_same_values(rate: int):
    def tones(rate: int) -> np.ndarray:
        t = np.arange(rate) / rate
        tones = sum(np.sin(2 * np.pi * f * t + f) for f in (150.0, 440.0, 1234.0, 3100.0, 6800.0))
        return (0.1 * tones).astype(np.float32)

    # At most rates, hops are not whole numbers of samples, so the columns stand at slightly other times.
    for expected, found in zip(
        log_mel(tones(16_000), 16_000, SETTINGS), log_mel(tones(rate), rate, SETTINGS), strict=True
    ):
        inner, loud = slice(3, min(len(expected), len(found)) - 3), expected.mean(0) > -4
        assert loud.sum() >= 10
        assert np.abs(expected[inner].mean(0) - found[inner].mean(0))[loud].max() < 0.05


@pytest.mark.parametrize(
    ("seconds", "rate", "samples"), [(0.025, 44_100, 1103), (0.01, 22_050, 221), (0.1, 48_000, 4800)]
)
def test_durations_are_rounded_to_the_nearest_sample_and_halves_upwards(seconds: float, rate: int, samples: int):
    assert samples_of(seconds, rate) == samples


def test_a_band_between_two_bins_is_empty():
    filters = mel_filters(bands=64, top=4000.0, bin_width=100.0, bins=41)
    flat = filters.apply(np.ones((2, filters.used)))
    assert flat.shape == (2, 64) and (flat == 0).any() and flat.max() > 1
    # Between the first and the last middle, the filters of neighbouring bands add up to 1.
    dense = np.stack([filters.apply(np.eye(filters.used))[b] for b in range(filters.used)])
    assert dense[5:35].sum(1) == pytest.approx(1)
    assert hertz(np.array(mel(440.0))) == pytest.approx(440.0)


@pytest.mark.parametrize("rate", [8_000, 14_999])
def test_a_low_rate_is_refused(rate: int):
    with pytest.raises(SoundError, match=f"{rate:,} samples per second cannot be used: the network needs 15,000"):
        analysis(SETTINGS, rate)
    with pytest.raises(SoundError, match="needs 15,000"):
        ColumnStream(SETTINGS, rate)
    assert analysis(SETTINGS, 15_000).rate == 15_000


def test_a_rate_that_is_too_high_is_refused():
    with pytest.raises(SoundError, match="the highest rate is 384,000"):
        analysis(SETTINGS, 10**9)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 100), np.float32), r"shape \[2, 100\] cannot be used: give one channel"),
        (np.zeros(100, np.int16), "int16 .*divided by 32768"),
        (np.array([0, np.nan], np.float32), "not finite numbers"),
        (np.array([0, 1e300]), "not finite numbers"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_samples_that_cannot_be_used_are_refused(samples: np.ndarray, message: str):
    stream = ColumnStream(SETTINGS, 16_000)
    with pytest.raises(SoundError, match=message):
        stream.feed(samples)
    assert stream.heard == 0


def test_a_sound_shorter_than_half_a_transform_has_no_whole_spectrogram():
    with pytest.raises(SoundError, match=r"0\.050 s is too short .* more than 0\.05 s"):
        log_mel(np.zeros(800, np.float32), 16_000, SETTINGS)
    assert len(log_mel(np.zeros(801, np.float32), 16_000, SETTINGS)[0]) == 6
