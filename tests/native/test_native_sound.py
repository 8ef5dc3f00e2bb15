"""The native runtime hears what the Python stream hears: columns, pictures, states of the ear, and answers."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from doubles import LABELS, stream_spec
from sound_artifacts import SETTINGS, SIZE, SPACING, sound_artifact

import edgeshift
from edgeshift.artifact.file import read_artifact, write_artifact
from edgeshift.artifact.spec import encode
from edgeshift.benchmarks.studies.native_library import NativeLibrary, litert_library, rgb_image
from edgeshift.converters import ClipOptions
from edgeshift.errors import EdgeshiftError, SoundError
from edgeshift.models.config import ModelConfig
from edgeshift.sound import PictureStream, SoundSettings
from edgeshift.sound.drawn import draw_soundtrack
from edgeshift.stream.listening import Listening
from edgeshift.stream.replay import write_transcript
from edgeshift.stream.selfcheck import self_check
from edgeshift.stream.transcript import Hear, encode_transcript

#: Settings and sampling rates. The lengths of the transforms have small factors, or are the primes 2003 and 1601.
CASES = [
    (SoundSettings(seconds=0.6, frames=4, bands=24), 16_000),
    (SoundSettings(seconds=0.6, frames=4, bands=24), 44_100),
    (SoundSettings(seconds=0.5, frames=4, bands=64, transform=0.05, windows=(0.01, 0.02, 0.05)), 40_060),
    (SoundSettings(seconds=0.5, frames=4, bands=80, windows=(0.011, 0.0731, 0.1), hops=(0.02, 0.03, 0.007)), 16_010),
    (SoundSettings(seconds=0.5, frames=4, bands=300, top=24_000.0, rate=48_000), 48_000),
    (SoundSettings(seconds=0.4, frames=4, bands=20, hops=(0.3, 0.2, 0.1), windows=(0.01, 0.02, 0.03)), 22_050),
    (SoundSettings(seconds=2.0, frames=4, bands=512, top=400.0, eps=1e-9, low=-20.0, high=2.0), 1000),
]


@pytest.mark.parametrize(("settings", "rate"), CASES)
def test_columns_and_pictures_are_those_of_python(native_build, tmp_path, settings, rate):
    model = ModelConfig("tsam", "mobilenet_v2", len(LABELS), size=SIZE, sound=settings)
    (tmp_path / "d.json").write_bytes(encode(stream_spec(model=model, target="tflite")))
    sound = draw_soundtrack(5, seconds=4, rate=max(rate, 8000)).samples
    sound.tofile(tmp_path / "samples")
    program = native_build() / "tests" / "sound_columns"
    done = subprocess.run([program, tmp_path / "d.json", tmp_path / "samples", str(rate), tmp_path / "out"], timeout=60)
    assert done.returncode == 0
    python = PictureStream(settings, rate, SIZE)
    python.feed(sound)
    columns = np.concatenate([kept.ravel() for kept in python._newest])
    data = (tmp_path / "out").read_bytes()
    own = np.frombuffer(data[: columns.nbytes], np.float32)
    picture = np.frombuffer(data[columns.nbytes :], np.uint8).reshape(SIZE, SIZE, 3)
    assert np.abs(own - columns).max() < 1e-5
    assert np.ptp(columns) > 5 and len(np.unique(picture)) > 30
    # Nothing differs where this was written. A value within 1e-5 of a half may be rounded the other way elsewhere.
    differences = np.abs(picture.astype(int) - python.picture())
    assert differences.max() <= 1 and (differences > 0).sum() <= 2


@pytest.fixture(scope="module")
def native(native_build) -> NativeLibrary:
    pytest.importorskip("ai_edge_litert.compiled_model", reason="LiteRT 2 is not installed")
    return NativeLibrary(native_build() / "libedgeshift.so")


@pytest.fixture(scope="module", params=["int8", "fp32", "int8 clip"])
def artifact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("ai_edge_litert.compiled_model", reason="LiteRT 2 is not installed")
    precision, _, clip = request.param.partition(" ")
    path = tmp_path_factory.mktemp("sound") / "sound.tflite"
    return sound_artifact(path, precision, ClipOptions(4, hop=2) if clip else None)


def play(artifact: Path, native: NativeLibrary, rate: int) -> Counter:
    """Give both streams the same frames and sounds, with a silence, noise that is too loud, gaps and a reset.

    Returns:
        How often each value of ``heard`` occurs.
    """
    python, other = edgeshift.load(artifact).stream(), native.open(artifact).stream()
    assert isinstance(python, Listening)
    random, seen = np.random.default_rng(rate), Counter()
    sound = draw_soundtrack(3, seconds=12, rate=rate).samples.copy()
    sound[4 * rate : 4 * rate + rate // 5] = 0
    loud = slice(7 * rate, 7 * rate + rate // 2)
    sound[loud] = np.sign(sound[loud])
    at, saved = 0, (python.state, other.save())
    for index in range(120):
        time = index * 0.1
        while at < int(time * rate):
            part = sound[at : min(at + int(random.integers(1, rate // 15)), int(time * rate))]
            if not (5.5 < time < 5.6 or 9.5 < time < 10.4):
                python.hear(part, at / rate, rate)
                other.hear(part, at / rate, rate)
            at += len(part)
        if index == 60:
            saved = (python.state, other.save())
        if index == 66:
            python.state = saved[0]
            other.restore(saved[1])
        if index == 88:
            python.reset()
            other.reset()
        frame = random.integers(0, 256, (70, 90, 3), np.uint8)
        timestamp = None if index % 11 == 10 else time + float(random.uniform(-0.04, 0.04))
        expected, given = python.step(frame, timestamp), other.step(rgb_image(frame), timestamp)
        assert (given is None) == (expected is None)
        if given is None or expected is None:
            continue
        assert (given.fresh, given.heard, given.label) == (expected.fresh, expected.heard, expected.label)
        assert np.array_equal(given.logits, expected.logits)
        seen[given.heard] += 1
    return seen


@pytest.mark.slow
def test_answers_are_those_of_python_to_the_bit(native, artifact):
    seen = sum((play(artifact, native, rate) for rate in (15_000, 16_000, 44_100, 48_000)), Counter())
    assert {"waiting", "heard", "late", "clipped"} <= set(seen) and seen["heard"] > 100
    # A clip has an answer every 0.5 s, and none before there is a sound.
    assert {"deaf", "silent"} <= set(seen) or read_artifact(artifact).spec.mode == "clip"


@pytest.mark.slow
def test_whole_clips_are_answered_without_a_sound(native, artifact):
    model, stream = edgeshift.load(artifact), native.open(artifact).stream()
    frames = list(np.random.default_rng(2).integers(0, 256, (7, 50, 60, 3), np.uint8))
    if model.spec.mode != "clip":
        with pytest.raises(EdgeshiftError, match="one frame at a time"):
            stream.clip([rgb_image(frame) for frame in frames])
        return
    stream.hear((0.1 * np.random.default_rng(3).normal(size=32_000)).astype(np.float32), 0.0, 16_000)
    given, expected = stream.clip([rgb_image(frame) for frame in frames]), model.clip(frames)
    assert np.array_equal(given.logits, expected.logits) and given.heard is None


@pytest.mark.slow
def test_the_self_check_has_the_sound(native, artifact, tmp_path):
    check, expected = native.open(artifact).self_check(), self_check(edgeshift.load(artifact))
    assert check.ok and (check.frames, check.repeatable) == (expected.frames, 1) and check.frames in (8, 4)
    assert (check.error, check.tolerance) == pytest.approx((expected.error, expected.tolerance), rel=1e-9)
    read = read_artifact(artifact)
    logits = read.spec.check.logits
    for row in (0, len(logits) - 1):  # a wrong answer to a frame, or to the sound
        wrong = list(logits)
        wrong[row] = tuple(value + read.spec.check.span for value in logits[row])
        check, path = msgspec.structs.replace(read.spec.check, logits=tuple(wrong)), tmp_path / "wrong.tflite"
        write_artifact(path, read.body, msgspec.structs.replace(read.spec, check=check))
        given, python = native.open(path).self_check(), self_check(edgeshift.load(path))
        assert not given.ok and given.error == pytest.approx(python.error, rel=1e-6)


@pytest.mark.slow
def test_a_transcript_with_sounds_is_replayed_without_a_difference(native_build, artifact, tmp_path):
    transcript = write_transcript(edgeshift.load(artifact))
    assert transcript.version == 2

    def replay(calls: Callable[[Hear], object]) -> tuple[int, str]:
        changed = tuple(calls(call) if isinstance(call, Hear) else call for call in transcript.calls)
        (tmp_path / "t.json").write_bytes(encode_transcript(msgspec.structs.replace(transcript, calls=changed)))
        command = [native_build() / "tools" / "replay", artifact, tmp_path / "t.json", litert_library()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        return done.returncode, (done.stdout or done.stderr).splitlines()[-1]

    status, printed = replay(lambda call: call)
    assert (status, printed.split(",")[0]) == (0, f"ok: {len(transcript.calls) + len(transcript.rule_calls)} calls")
    status, printed = replay(lambda call: msgspec.structs.replace(call, first=call.first + 40_000))
    assert status == 1 and "logit" in printed
    status, printed = replay(lambda call: msgspec.structs.replace(call, time=call.time - 1.0))
    assert status == 1 and 'what was heard is "' in printed
    status, printed = replay(lambda call: msgspec.structs.replace(call, rate=14_000))
    assert status == 2 and "the network needs 15,000 to 384,000" in printed


@pytest.mark.slow
def test_bad_sounds_are_refused_with_the_words_of_python(native, artifact):
    python, other = edgeshift.load(artifact).stream(), native.open(artifact).stream()
    good = np.full(10, 0.25, np.float32)
    for samples, timestamp, rate in (
        (np.float32([0, np.nan]), 0.0, 16_000),
        (good, 0.0, 14_999),
        (good, 0.0, 384_001),
        (good, float("inf"), 16_000),
    ):
        with pytest.raises((SoundError, EdgeshiftError)) as expected:
            python.hear(samples, timestamp, rate)
        with pytest.raises(EdgeshiftError) as given:
            other.hear(samples, timestamp, rate)
        assert str(given.value) == str(expected.value)
    frame = rgb_image(np.zeros((SIZE, SIZE, 3), np.uint8))
    answers = [other.step(frame) for _ in range(4)]
    assert answers[-1].heard == "deaf"
    other.hear(good[:0], 0.0, 16_000)
    other.deafen()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"norms": "separate"}, "own batch norms"),
        ({"cut": False}, "real numbers"),
        ({"bands": 512, "seconds": 60.0, "hops": (0.001, 0.001, 0.001)}, "at most 16,777,216"),
    ],
)
def test_sounds_that_cannot_run_here_are_refused_with_one_line(native, artifact, tmp_path, change, message):
    read = read_artifact(artifact)
    model = msgspec.structs.replace(read.spec.model, sound=msgspec.structs.replace(SETTINGS, **change))
    write_artifact(tmp_path / "other.tflite", read.body, msgspec.structs.replace(read.spec, model=model))
    with pytest.raises(EdgeshiftError, match=message) as error:
        native.open(tmp_path / "other.tflite")
    assert "\n" not in str(error.value)


def test_a_network_without_a_sound_segment_refuses_sounds(native, made):
    stream = native.open(made("tsm", "int8").path).stream()
    for call in (lambda: stream.hear(np.zeros(4, np.float32), 0.0, 16_000), stream.deafen):
        with pytest.raises(EdgeshiftError, match="takes frames only: it has no sound segment"):
            call()
    assert stream.step(rgb_image(np.zeros((SIZE, SIZE, 3), np.uint8))).heard is None


@pytest.mark.slow
def test_a_long_sound_needs_no_more_memory(native, artifact):
    def memory() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    stream = native.open(artifact).stream()
    frame, piece = (
        rgb_image(np.zeros((SIZE, SIZE, 3), np.uint8)),
        np.float32(np.random.default_rng(1).normal(size=4000)),
    )
    piece *= 0.05
    for index in range(1200):
        if index == 200:
            before = memory()
        stream.hear(piece, index * SPACING, 16_000)
        stream.step(frame, (index + 1) * SPACING)
    assert stream.step(frame).heard == "heard"
    assert memory() - before < 1 << 20
