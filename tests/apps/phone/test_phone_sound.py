"""The page's TypeScript code for sounds gives the same results as the Python code."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from doubles import LABELS, LEAK, MIX, OWN, SIZE, frames, model, stream_spec
from sound_waves import CASES, WAVES

from edgeshift.apps.camera.microphones.clock import SoundClock
from edgeshift.errors import EdgeshiftError
from edgeshift.models.config import ModelConfig
from edgeshift.sound import ColumnStream, SoundSettings, picture_of
from edgeshift.sound.analysis import analysis
from edgeshift.sound.picture import sound_picture
from edgeshift.stream.check_sound import check_sound
from edgeshift.stream.ear import MOST_PIECES, Ear
from edgeshift.stream.sound_stream import SoundStream

RATE = 16_000
SETTINGS = SoundSettings(seconds=1.0, frames=4, bands=32)
#: {name: (settings, samples per second)}. At 22,222 samples per second, the length of the transform has a large factor.
SOUNDS = {
    **{name: (SoundSettings(seconds=0.5, frames=4, rate=rate, **given), rate) for name, (given, rate) in CASES.items()},
    **{f"{rate} Hz": (SoundSettings(seconds=0.5, frames=4), rate) for rate in (44_100, 48_000, 22_222, 96_000)},
    "few bands": (SETTINGS, RATE),
    "gaps between bands": (SoundSettings(seconds=0.3, frames=4, bands=400, transform=0.03, windows=(0.03,) * 3), RATE),
}


def noise(seconds: float, seed: int = 0, rate: int = RATE) -> np.ndarray:
    samples = 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate))
    return samples.clip(-0.9, 0.9).astype(np.float32)


def builtins(settings: SoundSettings) -> Any:
    return msgspec.to_builtins(settings)


def test_the_transform_has_the_powers_of_numpy_for_every_length(run_typescript):
    lengths = [*range(2, 41), 101, 202, 399, 1600, 2222, 2223, 4410, 4411, 4800, 4801, 9600]
    signals = [np.random.default_rng(length).standard_normal(length) for length in lengths]
    code = """
        return signals.map((signal) => {
          const out = new Float64Array(Math.floor(signal.length / 2) + 1);
          const fourier = new page.RealFourier(signal.length);
          fourier.powers(new Float64Array(signal.length).fill(1), out); // must leave nothing behind
          fourier.powers(Float64Array.from(signal), out);
          return Array.from(out);
        });
    """
    for signal, found in zip(signals, run_typescript(code, signals=[s.tolist() for s in signals]), strict=True):
        expected = np.abs(np.fft.rfft(signal)) ** 2
        assert np.abs(found - expected).max() < 1e-11 * expected.max(), len(signal)


PICTURES = """
    const stream = new page.PictureStream(page.readSettings(settings), rate, size);
    const samples = Float32Array.from(given);
    const found = [];
    let begin = 0;
    for (const end of ends) {
      stream.feed(samples.subarray(begin, end));
      begin = end;
      found.push([stream.missing, Array.from(stream.picture() ?? [])]);
    }
    return { found, columns: stream.newest.map((columns) => columns.map((values) => Array.from(values))) };
"""


@pytest.mark.parametrize("name", SOUNDS)
def test_columns_and_pictures_are_those_of_python(run_typescript, name):
    settings, rate = SOUNDS[name]
    sound = np.concatenate([WAVES[wave](rate) for wave in ("bursts", "chirp")])
    random = np.random.default_rng(rate)
    ends = np.cumsum(random.integers(1, rate // 5, 40))
    ends = [*map(int, ends[ends < len(sound)]), len(sound)]
    given = {"settings": builtins(settings), "rate": rate, "size": 48, "given": sound.tolist(), "ends": ends}
    result = run_typescript(PICTURES, **given)
    columns = [
        part[-channel.columns :]
        for part, channel in zip(
            ColumnStream(settings, rate).feed(sound), analysis(settings, rate).channels, strict=True
        )
    ]
    for found, expected in zip(result["columns"], columns, strict=True):
        assert np.shape(found) == expected.shape and np.abs(found - expected).max() < 1e-5
    needed, pictures = analysis(settings, rate).needed, 0
    for end, (missing, found) in zip(ends, result["found"], strict=True):
        assert missing == max(needed - end, 0)
        if missing:
            assert found == []
            continue
        expected = picture_of(sound[:end], rate, settings, 48).astype(int)
        differences = np.abs(np.reshape(found, (48, 48, 3)) - expected)
        # A value may lie at the border between two whole numbers, but hardly ever.
        assert differences.max() <= 1 and (differences > 0).mean() < 1e-3
        pictures += 1
    assert pictures >= 3


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("size", [16, 32, 112, 224])
def test_a_picture_of_the_same_columns_has_the_same_values(run_typescript, size, cut):
    settings = msgspec.structs.replace(SETTINGS, cut=cut)
    random = np.random.default_rng(size)
    columns = [random.uniform(-60, 50, (count, 32)).astype(np.float32) for count in (100, 40, 20)]
    code = """
        const arrays = columns.map((channel) => channel.map((values) => Float32Array.from(values)));
        return Array.from(page.soundPicture(arrays, page.readSettings(settings), size));
    """
    given = {"columns": [channel.tolist() for channel in columns], "settings": builtins(settings), "size": size}
    found = np.array(run_typescript(code, **given), np.float32).reshape(size, size, 3)
    expected = sound_picture(columns, settings, size)
    assert np.array_equal(found, expected) and (cut or expected.min() < 0 or expected.max() > 255)


EAR = """
    const ear = new page.Ear(page.readSettings(settings), 32);
    return calls.map(({ hear, frame, deafen }) => {
      if (deafen) return ear.deafen();
      if (hear) return ear.hear(Float32Array.from(hear[0]), hear[1], hear[2]);
      const heard = ear.hearing(frame);
      return [heard, ear.end, heard === "heard" ? Array.from(ear.picture()) : null];
    });
"""


def ear_calls(seed: int) -> list[dict[str, Any]]:
    """Return pieces of a sound with frames between: with gaps, dropouts, silence, loud parts, and another rate."""
    random = np.random.default_rng(seed)
    calls: list[dict[str, Any]] = [{"frame": None}, {"frame": 3.0}]
    time, rate = 3.0, RATE
    for index in range(90):
        length = int(random.choice([0, 1, 160, 1600, 3000]))
        piece = noise(length / rate, seed=1000 * seed + index, rate=rate)
        event = random.choice(["plain"] * 22 + ["gap", "zeros", "silence", "loud", "dropout", "rate", "deafen"])
        if event == "gap":
            time += float(random.choice([0.02, 0.04, 0.2, -0.1]))
        elif event in ("zeros", "silence"):
            piece = np.full(1600 if event == "silence" else 500, 0.25 if index % 2 else 0.0, np.float32)
        elif event == "loud":
            piece = np.sign(noise(0.3, seed=index, rate=rate))
        elif event == "dropout" and length > 1600:
            piece[500 : 500 + int(0.06 * rate)] = 0
        elif event == "rate":
            rate = 44_100 if rate == RATE else RATE
        elif event == "deafen":
            calls.append({"deafen": True})
        calls.append({"hear": (piece.tolist(), time + float(random.uniform(-0.01, 0.01)), rate)})
        time += len(piece) / rate
        calls += [{"frame": time + float(random.choice([0.0, 0.4, 0.6]))}, {"frame": None}]
    return calls


def test_the_ear_says_the_same_and_has_the_same_pictures(run_typescript):
    said: list[str] = []
    for seed in range(3):
        calls = ear_calls(seed)
        ear = Ear(SETTINGS, 32)
        for call, found in zip(calls, run_typescript(EAR, settings=builtins(SETTINGS), calls=calls), strict=True):
            if "deafen" in call:
                ear.deafen()
            elif "hear" in call:
                ear.hear(np.array(call["hear"][0], np.float32), call["hear"][1], call["hear"][2])
            else:
                heard, end, picture = found
                assert heard == ear.hearing(call["frame"]) and end == ear.end
                said.append(heard)
                if heard == "heard":
                    assert np.abs(np.reshape(picture, (32, 32, 3)) - ear.picture().astype(int)).max() <= 1
    assert {name: said.count(name) >= 3 for name in set(said)} == dict.fromkeys(
        ("deaf", "waiting", "late", "silent", "clipped", "heard"), True
    )


def test_pieces_without_samples_change_nothing(run_typescript):
    """A microphone that gives no samples is lost, also if the times of its pieces advance."""
    end = 1.5
    pieces = [(noise(1.5), 0.0), *((noise(0), end + index / 100) for index in range(61)), (noise(0.1), end + 0.6)]
    calls: list[dict[str, Any]] = [{"hear": ([], 5.0, RATE)}, {"frame": 5.0}]
    for samples, time in pieces:
        calls += [{"hear": (samples.tolist(), time, RATE)}, {"frame": end + 0.49}, {"frame": end + 0.51}]
    found = run_typescript(EAR, settings=builtins(SETTINGS), calls=calls)
    assert found[1][:2] == ["deaf", None]
    answers = [(found[at][0], found[at + 1][0], found[at][1]) for at in range(3, len(found), 3)]
    assert answers == [("heard", "late", end)] * 62 + [("waiting", "waiting", pytest.approx(end + 0.7))]


def test_only_the_newest_pieces_are_remembered(run_typescript):
    """All pieces have one timestamp, so none of them becomes too old."""
    code = """
        const ear = new page.Ear(page.readSettings(settings), 32);
        const hear = (pieces, value) => {
          for (let piece = 0; piece < pieces; piece++) ear.hear(Float32Array.of(piece % 2 ? value : -value), 5, 16000);
          return [ear.hearing(null), ear.loud.length];
        };
        return [hear(20000, 1), hear(most - 1000, 0.1), hear(1000, 0.1)];
    """
    found = run_typescript(code, settings=builtins(SETTINGS), most=MOST_PIECES)
    # 20,000 loud pieces; then 1,000 loud ones of the 65,536 that are remembered, which is 1.5%; then none.
    assert found == [["clipped", 20_000], ["heard", MOST_PIECES], ["heard", MOST_PIECES]]


@pytest.mark.parametrize(
    ("samples", "timestamp", "rate", "words"),
    [
        ([0.0], float("inf"), RATE, "not a time"),
        ([float("nan")], 0.0, RATE, "not finite"),
        ([0.0], 0.0, 8000, "rate of 15000 or more"),
        ([0.0], 0.0, 400_000, "highest rate is 384000"),
    ],
)
def test_bad_samples_are_refused_and_change_nothing(run_typescript, samples, timestamp, rate, words):
    code = """
        const ear = new page.Ear(page.readSettings(settings), 32);
        ear.hear(Float32Array.from(sound), 0, 16000);
        const before = ear.end;
        let problem = null;
        const number = (text) => Number(text); // JSON has no NaN and no infinity
        try {
          ear.hear(Float32Array.from(samples.map(number)), number(timestamp), rate);
        } catch (error) { problem = error.message; }
        return [problem, ear.hearing(null), ear.end === before];
    """
    sound = noise(1.5).tolist()
    texts = [str(value).replace("nan", "NaN").replace("inf", "Infinity") for value in (*samples, timestamp)]
    given = {"settings": builtins(SETTINGS), "sound": sound, "samples": texts[:1], "timestamp": texts[1], "rate": rate}
    problem, heard, same = run_typescript(code, **given)
    assert words in problem and "\n" not in problem and heard == "heard" and same
    with pytest.raises(EdgeshiftError):
        Ear(SETTINGS, 32).hear(np.array(samples, np.float32), timestamp, rate)


@pytest.mark.parametrize(
    "changed",
    [
        {"windows": (0.025, 0.05, 0.2)},
        {"windows": (0.025, 0.05)},
        {"seconds": 0.05},
        {"low": 3.0, "high": 3.0},
        {"hops": (0.0, 0.025, 0.05)},
        {"transform": 2.0},
        {"bands": 4},
        {"bands": 32.5},
        {"eps": 0},
        {"every": 0.001},
        {"frames": 0},
        {"frames": "4"},
        {"rate": 1000},
        {"tempo": 3},
    ],
)
def test_settings_that_python_refuses_are_refused(run_typescript, changed):
    code = "try { page.readSettings(settings); return null; } catch (error) { return error.message; }"
    fields = {**builtins(SETTINGS), **changed}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields, SoundSettings)
    assert "sound settings" in run_typescript(code, settings=fields)
    assert run_typescript(code, settings=builtins(SETTINGS)) is None


def test_missing_settings_have_python_s_defaults(run_typescript):
    given = {"seconds": 2.0, "frames": 8}
    expected = builtins(SoundSettings(**given))
    found = run_typescript("return page.readSettings(settings)", settings=given)
    assert found == {name: list(value) if isinstance(value, tuple) else value for name, value in expected.items()}
    code = "try { return page.readSettings(settings); } catch (error) { return error.message; }"
    for name in given:
        text = run_typescript(code, settings={key: value for key, value in given.items() if key != name})
        assert text == f"sound settings: {name} is missing, which is out of its limits"


def test_sounds_with_batch_norms_of_their_own_are_refused(run_typescript):
    code = "try { return page.readSettings(settings); } catch (error) { return error.message; }"
    assert "batch norms" in run_typescript(code, settings={**builtins(SETTINGS), "norms": "separate"})


def test_the_clock_gives_the_same_times(run_typescript):
    random = np.random.default_rng(6)
    counts = random.choice([1024, 960, 128], 1500)
    delays = random.exponential(0.004, 1500) + (random.random(1500) < 0.05) * random.uniform(0, 0.08, 1500)
    delays[700:] += 0.5  # samples are lost
    arrivals = np.maximum.accumulate(20 + np.cumsum(counts) / 48_000 + delays)
    code = """
        const clock = new page.SoundClock(48000);
        return counts.map((count, index) => {
          if (index === 1200) clock.restart();
          const { timestamp, lost } = clock.stamp(count, arrivals[index]);
          return [timestamp, lost];
        });
    """
    clock, expected = SoundClock(48_000), []
    for index, (count, arrival) in enumerate(zip(counts.tolist(), arrivals.tolist(), strict=True)):
        if index == 1200:
            clock.restart()
        expected.append(list(clock.stamp(count, arrival)))
    assert run_typescript(code, counts=counts.tolist(), arrivals=arrivals.tolist()) == expected
    assert sum(lost for _, lost in expected) == 1


@pytest.mark.parametrize("seed", [0, 7, 123456])
def test_the_sound_of_the_self_check_is_equal_to_the_bit(run_typescript, seed):
    code = """
        const read = page.readSettings(settings);
        return [Array.from(page.checkSound(seed, read)), Array.from(page.checkPicture(seed, read, 64))];
    """
    sound, picture = run_typescript(code, seed=seed, settings=builtins(SETTINGS))
    expected = check_sound(seed, SETTINGS)
    assert np.array_equal(np.array(sound, np.float32), expected)
    difference = np.abs(np.reshape(picture, (64, 64, 3)) - picture_of(expected, RATE, SETTINGS, 64).astype(int))
    assert difference.max() <= 1 and (difference > 0).mean() < 1e-3


#: An engine with the network of ``LeakyExecutor``, and a stream of calls.
STREAM = """
    class Leaky {
      constructor() { this.reset(); this.accelerator = "cpu"; }
      another() { return new Leaky(); }
      reset() { this.level = [0, 0, 0]; }
      async states() { return { state_level: Float32Array.from(this.level) }; }
      setStates({ state_level }) { this.level = Array.from(state_level); }
      async step(values) {
        const colour = [0, 0, 0];
        for (let place = 0; place < values.length; place++) colour[place % 3] += values[place] / (values.length / 3);
        this.level = colour.map((value, index) => Math.fround(LEAK * this.level[index] + value));
        return Float32Array.from(MIX[0], (_, label) => this.level.reduce((sum, value, index) => {
          return sum + value * MIX[index][label] + colour[index] * OWN[index][label];
        }, 0));
      }
    }
    const stream = new page.SoundStream(new Leaky(), {
      labels, hop: null, quiet, sound: page.readSettings(settings), input: { shape: [1, size, size, 3] },
      frame: { height: size, width: size, fit: "squash", short_side: null, order: "rgb" },
    });
    let saved;
    const results = [];
    for (const { hear, frame, time, reset, deafen, save, restore } of calls) {
      if (hear) stream.hear(Float32Array.from(hear[0]), hear[1], hear[2]);
      else if (frame) {
        const picture = { pixels: Uint8Array.from(frame), width: size, height: size, channels: 3 };
        const { logits, heard, index, picture: made, pre, infer, post, end_to_end } = await stream.step(picture, time);
        const times = [pre, infer, post].every((value) => value >= 0) && Math.abs(pre + infer + post - end_to_end) < 5;
        const { state_level } = await stream.states();
        const arrays = { logits: Array.from(logits), level: Array.from(state_level) };
        results.push({ ...arrays, heard, index, made: made !== null, times });
      } else if (reset) stream.reset();
      else if (deafen) stream.deafen();
      else if (save) saved = await stream.save();
      else if (restore) stream.restore(saved);
    }
    return results;
"""


@pytest.mark.parametrize("quiet", [None, (0.5, -0.25, 0.1, 2.0)])
def test_a_stream_answers_as_in_python(run_typescript, quiet):
    settings = msgspec.structs.replace(SETTINGS, weight=2.7, every=0.25)
    config = ModelConfig("tsam", "mobilenet_v2", len(LABELS), size=SIZE, sound=settings)
    stream = model(stream_spec(model=config, quiet=quiet)).stream()
    assert isinstance(stream, SoundStream)
    sound, shown, tenth = noise(6.0, seed=8), frames(40, seed=3), RATE // 10
    calls: list[dict[str, Any]] = []
    for index, frame in enumerate(shown):
        if not 22 <= index < 25:  # a dropout
            calls.append({"hear": (sound[index * tenth : (index + 1) * tenth].tolist(), index / 10, RATE)})
        calls.append({"frame": frame.ravel().tolist(), "time": None if index == 5 else (index + 1) / 10})
        others = {15: "save", 18: "restore", 20: "deafen", 38: "reset"}
        calls += [{others[index]: True}] if index in others else []
    given = {"settings": builtins(settings), "quiet": quiet, "size": SIZE, "labels": LABELS, "calls": calls}
    found = run_typescript(STREAM, LEAK=LEAK, MIX=MIX.tolist(), OWN=OWN.tolist(), **given)
    saved: dict[str, Any] = {}
    expected = []
    for call in calls:
        if "hear" in call:
            stream.hear(np.array(call["hear"][0], np.float32), call["hear"][1], call["hear"][2])
        elif "frame" in call:
            before = stream.picture
            answer = stream.step(np.array(call["frame"], np.uint8).reshape(SIZE, SIZE, 3), call["time"])
            expected.append((answer, stream.picture is not None and stream.picture is not before, stream.state))
        elif "save" in call:
            saved = stream.state
        elif "restore" in call:
            stream.state = saved
        else:
            (stream.reset if "reset" in call else stream.deafen)()
    for result, (answer, made, state) in zip(found, expected, strict=True):
        assert (result["heard"], result["index"], result["made"]) == (answer.heard, answer.index, made)
        assert result["times"]
        assert result["logits"] == pytest.approx(answer.logits.tolist(), abs=2e-5)
        assert result["level"] == pytest.approx(state["state_level"].ravel().tolist(), rel=1e-6)
    assert [answer.heard for answer, _, _ in expected].count("heard") >= 10
    assert 3 <= sum(made for _, made, _ in expected) < 12
