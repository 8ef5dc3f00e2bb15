"""Drawn sounds: a seed determines them, they are where they say, and each has what makes it recognisable."""

from __future__ import annotations

import numpy as np
import pytest

from edgeshift.errors import SoundError
from edgeshift.sound import SoundSettings, log_mel
from edgeshift.sound.drawn import QUIET, SOUNDS, draw_sound, draw_soundtrack
from edgeshift.sound.drawn.room import Room
from edgeshift.sound.drawn.shaping import minimum_phase

RATE = 16_000
SETTINGS = SoundSettings(seconds=2.0, frames=8)


def dry(name: str, seed: int, rate: int = RATE) -> np.ndarray:
    return SOUNDS[name](np.random.default_rng(seed), rate)


def pitches(sound: np.ndarray, rate: int = RATE) -> np.ndarray:
    """Return the loudest band of every column in which the sound is loud."""
    columns = log_mel(sound.astype(np.float32), rate, SETTINGS)[1]
    return columns.argmax(1)[columns.max(1) > columns.max() - 4]


def share_below(sound: np.ndarray, hertz: float) -> float:
    power = np.abs(np.fft.rfft(sound)) ** 2
    return float(power[np.fft.rfftfreq(len(sound), 1 / RATE) < hertz].sum() / power.sum())


def bursts(sound: np.ndarray) -> int:
    """Return the number of times that the sound begins after at least 60 ms of near silence."""
    loud = np.flatnonzero(np.abs(sound) > 0.25)
    return 1 + int((np.diff(loud) > 0.06 * RATE).sum())


@pytest.mark.parametrize("name", [*SOUNDS, QUIET])
def test_a_seed_determines_a_sound_and_where_it_is(name: str):
    for seed in range(4):
        sound, again = draw_sound(seed, name, seconds=2.0), draw_sound(seed, name, seconds=2.0)
        assert np.array_equal(sound.samples, again.samples) and (sound.begin, sound.end) == (again.begin, again.end)
        assert sound.samples.dtype == np.float32 and len(sound.samples) == 2 * RATE and sound.name == name
        assert np.abs(sound.samples).max() <= 1 and sound.rate == RATE and sound.seed == seed
        assert not np.array_equal(sound.samples, draw_sound(seed + 99, name, seconds=2.0).samples)
        if name == QUIET:
            assert sound.begin == sound.end == 0
        else:
            assert 0 <= sound.begin < sound.end <= 2.0


@pytest.mark.parametrize("name", SOUNDS)
def test_a_sound_is_louder_than_the_background_only_between_its_ends(name: str):
    """The same seed draws the same room, so the quiet sound is the background alone."""
    for seed in range(5):
        sound, quiet = draw_sound(seed, name, seconds=2.5), draw_sound(seed, QUIET, seconds=2.5)
        added = sound.samples - quiet.samples
        begin, end = int(sound.begin * RATE), int(sound.end * RATE)
        assert np.sum(added[begin:end] ** 2) > 0.7 * np.sum(added**2)
        assert np.abs(added[: max(begin - int(0.08 * RATE), 0)]).max(initial=0) < 0.05 * np.abs(added).max()
        assert np.abs(added[begin:end]).max() > 4 * np.std(quiet.samples)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_sounds_can_be_drawn_at_every_rate(rate: int):
    for name in (*SOUNDS, QUIET):
        sound = draw_sound(5, name, seconds=0.5, rate=rate)
        assert len(sound.samples) == int(0.5 * rate) and np.isfinite(sound.samples).all() and sound.end <= 0.5
        assert sound.rate == rate


def test_whistles_glide_and_beeps_do_not():
    for seed in range(12):
        up, down, beep = (pitches(dry(name, seed)) for name in ("whistle-up", "whistle-down", "beep"))
        third = max(len(up) // 3, 1)
        assert up[-third:].mean() > up[:third].mean() + 4
        assert down[-third:].mean() < down[:third].mean() - 4
        assert len(set(beep.tolist())) <= 8  # at most two pitches, each of which may be between bands


def test_strikes_differ_in_number_and_spectrum():
    for seed in range(12):
        clap, double, snap, knock = (dry(name, seed) for name in ("clap", "double-clap", "snap", "knock"))
        assert (bursts(clap), bursts(double), bursts(snap)) == (1, 2, 1)
        assert share_below(knock, 1000) > 0.7
        assert share_below(snap, 1500) < 0.25
        assert 0.02 < len(clap) / RATE < 0.25 and len(double) / RATE > 0.3
    assert {bursts(dry("knock", seed)) for seed in range(40)} >= {1, 2, 3}


def test_voices_have_harmonics_and_syllables():
    for seed in range(6):
        voice = dry("voice", seed)
        assert 0.2 < len(voice) / RATE < 4
        # The loudest 50 ms repeat after one period of a pitch between 80 and 320 Hz.
        loudest = int(np.argmax(np.convolve(voice**2, np.ones(800), "valid")))
        part = voice[loudest : loudest + 800]
        lags = range(RATE // 320, RATE // 80)
        assert max(np.corrcoef(part[:-lag], part[lag:])[0, 1] for lag in lags) > 0.8


def test_the_parts_of_a_sound_do_not_change_each_other():
    clap, quiet = draw_sound(7, "clap", seconds=2.0), draw_sound(7, QUIET, seconds=2.0)
    before = slice(0, int(clap.begin * RATE) - 20)
    assert before.stop > 1000 and np.array_equal(clap.samples[before], quiet.samples[before])


def test_rooms_have_different_noise():
    levels = [20 * np.log10(np.std(draw_sound(seed, QUIET, seconds=1.0).samples)) for seed in range(40)]
    assert min(levels) < -75 and max(levels) > -55 and min(levels) > -95 and max(levels) < -35


def test_long_background_noise_has_no_seams():
    room = Room(np.random.default_rng(3), 8000)
    noise = room.background(np.random.default_rng(4), 8000 * 45)
    level = np.sqrt(np.mean(noise.reshape(-1, 800) ** 2, 1))
    seam = level[[199, 200, 201, 399, 400, 401]]
    assert np.abs(np.log(seam / np.median(level))).max() < np.abs(np.log(level / np.median(level))).max() + 0.1
    jumps = np.abs(np.diff(noise))
    assert jumps[[159_999, 160_000, 319_999, 320_000]].max() < np.quantile(jumps, 0.9999)


def test_a_filter_does_not_answer_before_the_sound():
    room = Room(np.random.default_rng(1), RATE)
    click = np.zeros(800)
    click[400] = 1
    placed = room.place(np.random.default_rng(2), click, -6.0)
    assert np.abs(placed[:399]).max() < 1e-3 * np.abs(placed).max()
    assert np.abs(placed[-400:]).max() < 0.01 * np.abs(placed).max()
    gain = 1 / np.sqrt(1 + (np.linspace(0, 8, 513)) ** 2)
    assert np.abs(minimum_phase(gain)) == pytest.approx(gain, rel=1e-6)


def test_a_soundtrack_follows_its_script():
    script = [("clap", 1.0), ("voice", 2.0), ("clap", 8.0), ("whistle-up", 9.7)]
    track = draw_soundtrack(3, script, seconds=10.0)
    assert [event.label for event in track.events] == ["clap", "voice", "clap", "whistle-up"]
    for event, (_, begin) in zip(track.events, script, strict=True):
        assert begin <= event.begin < begin + 0.12 and event.begin < event.end <= 10.0
    silent = draw_soundtrack(3, [], seconds=10.0)
    added = np.abs(track.samples - silent.samples)
    assert silent.events == () and added[: RATE - 100].max() == 0 < added[RATE : RATE + 2000].max()
    assert len(track.samples) == 10 * RATE and track.samples.dtype == np.float32


def test_a_random_soundtrack_has_the_sounds_that_were_asked_for():
    track = draw_soundtrack(0, seconds=60.0, names=("clap", "knock"))
    again = draw_soundtrack(0, seconds=60.0, names=("clap", "knock"))
    assert np.array_equal(track.samples, again.samples) and track.events == again.events
    assert {event.label for event in track.events} == {"clap", "knock"} and len(track.events) > 8
    ends = [event.end for event in track.events]
    assert all(event.begin > end for event, end in zip(track.events[1:], ends, strict=False))
    assert draw_soundtrack(0, seconds=20.0, names=(QUIET,)).events == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, "clapp", 1.0, RATE), "unknown sound 'clapp'; did you mean clap"),
        ((-1, "clap", 1.0, RATE), "seed -1: give 0.1 to"),
        ((0, "clap", 0.0, RATE), "cannot draw 0 s"),
        ((0, "clap", float("nan"), RATE), "cannot draw nan s"),
        ((0, "clap", 1.0, 4000), "4,000 samples per second"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments: tuple[int, str, float, int], message: str):
    seed, name, seconds, rate = arguments
    with pytest.raises(SoundError, match=message):
        draw_sound(seed, name, seconds=seconds, rate=rate)


def test_scripts_that_cannot_be_drawn_are_refused():
    with pytest.raises(SoundError, match="unknown sound 'boom'"):
        draw_soundtrack(0, [("boom", 1.0)], seconds=2.0)
    with pytest.raises(SoundError, match="a clap at 2 s is not within the 2 s of the soundtrack"):
        draw_soundtrack(0, [("clap", 2.0)], seconds=2.0)
    with pytest.raises(SoundError, match="needs the name of at least one sound"):
        draw_soundtrack(0, seconds=2.0, names=())
    with pytest.raises(SoundError, match="unknown sound"):
        draw_soundtrack(0, seconds=2.0, names=("x",))
