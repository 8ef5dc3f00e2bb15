"""The picture of a sound: the same from a stream as from a whole sound, and resized as torch resizes it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from sound_waves import WAVES

from edgeshift.errors import SoundError
from edgeshift.sound import (
    PUBLISHED,
    PictureStream,
    SoundSettings,
    log_mel,
    picture_of,
    picture_of_clip,
    sound_picture,
)
from edgeshift.sound.analysis import analysis
from edgeshift.sound.picture import resize

SETTINGS = SoundSettings(seconds=0.5, frames=4)
RAW = msgspec.structs.replace(SETTINGS, cut=False)


@pytest.mark.parametrize("settings", [SETTINGS, RAW], ids=["cut", "raw"])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_streamed_picture_equals_that_of_the_whole_sound(settings: SoundSettings, rate: int):
    random, sound = np.random.default_rng(rate), np.tile(WAVES["bursts"](rate), 3)
    stream, pictures = PictureStream(settings, rate, 48), 0
    while stream.heard < len(sound):
        stream.feed(sound[stream.heard : stream.heard + int(random.integers(1, rate // 4))])
        picture = stream.picture()
        assert (picture is None) == (stream.heard < analysis(settings, rate).needed) == (stream.missing > 0)
        if picture is not None:
            # The end of the sound decides: samples before the picture's seconds change nothing but the grid.
            assert np.array_equal(picture, picture_of(sound[: stream.heard], rate, settings, 48))
            pictures += 1
    assert pictures > 10 and all(len(part) < 100 for part in stream._newest)


def test_the_first_picture_appears_with_its_last_sample():
    needed = analysis(SETTINGS, 16_000).needed
    stream = PictureStream(SETTINGS, 16_000, 32)
    stream.feed(np.zeros(needed - 1, np.float32))
    assert stream.picture() is None and stream.missing == 1
    stream.feed(np.zeros(1, np.float32))
    assert stream.picture() is not None and stream.missing == 0
    stream.reset()
    assert stream.picture() is None and stream.missing == needed and stream.heard == 0 and stream.rate == 16_000
    assert 0.5 < needed / 16_000 < 0.6
    with pytest.raises(SoundError, match=r"is too short for a picture of 0\.5 s: give at least 0\.\d+ s"):
        picture_of(np.zeros(needed - 1, np.float32), 16_000, SETTINGS, 32)


def test_a_click_is_where_it_sounded_in_all_channels():
    """A click 0.2 s before the end is at the same place of the picture, but for half a window and the grid."""
    sound = np.zeros(16_000, np.float32)
    sound[-3200] = 1
    picture = picture_of(sound, 16_000, RAW, 100)
    for channel, (window, hop) in enumerate(zip(RAW.windows, RAW.hops, strict=True)):
        power = np.exp(picture[..., channel].mean(0) / 255 * (RAW.high - RAW.low))
        loudest = np.average(np.arange(100) + 0.5, weights=power) / 200
        assert loudest == pytest.approx(0.3 + window / 2, abs=hop + 0.005)


def test_a_low_tone_is_at_the_top_and_a_high_one_at_the_bottom():
    t = np.arange(16_000) / 16_000
    for frequency, rows in ((200, slice(0, 20)), (6500, slice(80, 100))):
        picture = picture_of(0.1 * np.sin(2 * np.pi * frequency * t), 16_000, SETTINGS, 100)
        assert picture[rows].mean(1).max() > 150 > 100 > picture[25:75].mean(1).max()


def test_the_settings_low_and_high_become_0_and_255():
    def constant(value: float) -> list[np.ndarray]:
        return [np.full((count, 112), value, np.float32) for count in (50, 20, 10)]

    for value, expected in ((SETTINGS.low, 0), (SETTINGS.high, 255), (-99, 0), (99, 255)):
        picture = sound_picture(constant(value), SETTINGS, 24)
        assert picture.shape == (24, 24, 3) and picture.dtype == np.uint8 and (picture == expected).all()
    raw = sound_picture(constant(SETTINGS.high + 1), RAW, 24)
    assert raw.dtype == np.float32 and raw.min() > 255
    published = sound_picture([np.full((9, 224), -2.5, np.float32)] * 3, PUBLISHED, 24)
    assert published == pytest.approx(-2.5 * 255)


@pytest.mark.parametrize("length", [10, 40, 112, 113, 200, 501])
@pytest.mark.parametrize("size", [96, 112, 224])
def test_resize_equals_torch(length: int, size: int):
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(length).normal(-3, 4, (length, 30))
    expected = torch.nn.functional.interpolate(
        torch.tensor(values, dtype=torch.float64)[None, None], (size, 30), mode="bilinear", antialias=True
    )
    assert resize(length, size).apply(values) == pytest.approx(expected[0, 0].numpy(), abs=1e-6)
    assert resize(length, size).weights.sum(0) == pytest.approx(1)


@pytest.mark.parametrize(
    "changed",
    [
        {"windows": (0.025, 0.05, 0.2)},
        {"seconds": 0.05},
        {"low": 3.0, "high": 3.0},
        {"hops": (0.0, 0.025, 0.05)},
        {"hops": (1e-5, 0.025, 0.05)},
        {"transform": 2.0},
        {"bands": 4},
    ],
)
def test_settings_that_make_no_picture_are_refused(changed: dict[str, object]):
    fields = {**msgspec.to_builtins(SETTINGS), **changed}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields, SoundSettings)
    assert msgspec.convert(msgspec.to_builtins(SETTINGS), SoundSettings) == SETTINGS


def test_the_sound_of_a_published_clip_is_mirrored_at_both_ends():
    samples = np.random.default_rng(2).standard_normal(6 * 48_000).astype(np.float32) * 0.1
    newest = samples[-5 * 48_000 :]
    expected = sound_picture(log_mel(newest, 48_000, PUBLISHED), PUBLISHED, 64)
    assert np.array_equal(picture_of_clip(samples, 48_000, PUBLISHED, 64), expected)
    assert np.array_equal(picture_of_clip(newest, 48_000, PUBLISHED, 64), expected), "five seconds are enough"
    with pytest.raises(SoundError, match=r"a sound of 4\.990 s is too short: the picture shows 5 s"):
        picture_of_clip(newest[480:], 48_000, PUBLISHED, 64)


def test_the_sound_of_a_clip_of_edgeshift_is_that_of_a_stream():
    settings = SoundSettings(seconds=1.0, frames=4)
    samples = np.random.default_rng(2).standard_normal(32_000).astype(np.float32) * 0.1
    expected = picture_of(samples, 16_000, settings, 64)
    assert np.array_equal(picture_of_clip(samples, 16_000, settings, 64), expected)
