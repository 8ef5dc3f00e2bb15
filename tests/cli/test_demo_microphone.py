"""``edgeshift demo --microphone``: from a sound to events, what is said about it, and what is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest

from edgeshift.apps.camera.engine import session
from edgeshift.apps.camera.microphones import find, listener
from edgeshift.apps.camera.microphones.base import Block
from edgeshift.artifact.description import describe_network
from edgeshift.checkpoints import Checkpoint
from edgeshift.errors import SoundError
from edgeshift.models import ModelConfig, build
from edgeshift.runtimes.pytorch import reference
from edgeshift.sound import SoundSettings, read_wav, write_wav
from edgeshift.sound.drawn import draw_soundtrack
from edgeshift.stream import Model
from edgeshift.video.clips import read_video, write_video

RATE, SIZE, SPACING, SECONDS = 16_000, 64, 0.25, 6
SETTINGS = SoundSettings(seconds=1.0, frames=4, bands=32, weight=3.0, every=SPACING)


@pytest.fixture(scope="module")
def network() -> Model:
    """An untrained network with a sound segment."""
    config = ModelConfig("tsam", "mobilenet_v2", 5, size=SIZE, depth=1, width=0.5, sound=SETTINGS)
    description = describe_network(config, quiet=(0.0, 0.01, 0.02, 0.0, 0.03), frame_spacing=SPACING)
    return reference(Checkpoint(build(config, seed=0), description, "edgeshift"))


@pytest.fixture
def folder(network, monkeypatch, tmp_path) -> Path:
    """A folder with a clip of six seconds and its sound. Every name of an artifact loads the network."""
    monkeypatch.setattr(session, "load", lambda *_, **__: network)
    monkeypatch.chdir(tmp_path)
    shown = np.random.default_rng(0).integers(0, 256, (8 * SECONDS, 48, 64, 3), np.uint8)
    write_video(Path("clip.avi"), list(shown), 8)
    sound = draw_soundtrack(3, [("clap", 1.5), ("whistle-up", 4.2)], seconds=SECONDS, rate=RATE).samples
    write_wav(Path("clip.wav"), sound, RATE)
    sound = sound.copy()
    sound[round(2.6 * RATE) : round(2.9 * RATE)] = 0  # a dropout of 0.3 s
    write_wav(Path("dropout.wav"), sound, RATE)
    return tmp_path


def demo(run: Any, *options: str) -> list[dict[str, Any]]:
    """Run the demo on the clip, and return its events."""
    status, out, err = run("demo", "a.tflite", "--source", "clip.avi", "--headless", "--json-lines", *options)
    assert status == 0, err
    return [json.loads(line) for line in out.splitlines()]


def answers(network: Model, sound: np.ndarray | None) -> list[Any]:
    """Return the predictions of a stream that gets the due frames of the clip, and the sound up to each of them."""
    stream, found, given = network.stream(), [], 0
    for timed in read_video("clip.avi"):
        end = round(timed.timestamp * RATE)
        if sound is not None and end > given:
            stream.hear(sound[given:end], given / RATE, RATE)
            given = end
        prediction = stream.step(np.asarray(timed.frame), timed.timestamp)
        if prediction.fresh:
            found.append(prediction)
    return found


def spans(predictions: list[Any]) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for label in (prediction.label for prediction in predictions):
        found = [*found[:-1], (label, found[-1][1] + 1)] if found and found[-1][0] == label else [*found, (label, 1)]
    return found


def labels(events: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(span["label"], span["frames"]) for span in events[-1]["labels"]]


def test_the_demo_answers_as_a_stream_that_hears(run, folder, network):
    events = demo(run, "--microphone", "clip.wav")
    expected = answers(network, read_wav(Path("clip.wav"))[0])
    assert labels(events) == spans(expected)
    assert events[0]["microphone"] == "clip.wav" and events[0]["through"] == "file"
    heard = [(event["heard"], event["time"]) for event in events if event["event"] == "sound"]
    assert [name for name, _ in heard] == ["deaf", "waiting", "heard"] and heard[-1][1] == pytest.approx(1.0, abs=0.26)
    sound = events[-1]["sound"]
    names = [prediction.heard for prediction in expected]
    assert sound["heard"] == {name: pytest.approx(names.count(name) / len(names), abs=1e-3) for name in set(names)}
    assert sound["lost"] == 0 and sound["heard"]["heard"] > 0.7


def test_a_dropout_leaves_the_sound_out_until_it_is_whole_again(run, folder):
    events = demo(run, "--microphone", "dropout.wav")
    heard = [event["heard"] for event in events if event["event"] == "sound"]
    assert heard in (
        ["deaf", "waiting", "heard", "silent", "waiting", "heard"],
        ["deaf", "waiting", "heard", "waiting", "heard"],
    )
    back = [event["time"] for event in events if event["event"] == "sound"][-1]
    assert 2.9 + SETTINGS.seconds <= back <= 2.9 + SETTINGS.seconds + 0.3


def test_without_a_microphone_nothing_is_heard_or_said(run, folder, network):
    events = demo(run)
    assert labels(events) == spans(answers(network, None))
    assert "sound" not in events[-1] and "microphone" not in events[0]
    assert not any(event["event"] == "sound" for event in events)


def test_the_summary_says_how_much_was_heard(run, folder):
    status, out, _ = run("demo", "a.tflite", "--source", "clip.avi", "--headless", "--microphone", "clip.wav")
    assert status == 0
    (line,) = (line for line in out.splitlines() if line.startswith("sound "))
    assert "heard in " in line and "% of the answers, waiting " in line and line.endswith("clip.wav")
    status, out, _ = run("demo", "a.tflite", "--source", "clip.avi", "--headless")
    (line,) = (line for line in out.splitlines() if line.startswith("sound "))
    assert status == 0 and line.endswith("the network answered to frames alone; --microphone listens")


def test_sound_is_recorded_with_record_only(run, folder):
    before = set(folder.iterdir())
    demo(run, "--microphone", "clip.wav")
    assert set(folder.iterdir()) == before
    events = demo(run, "--microphone", "clip.wav", "--record", "seen.mp4")
    assert {path.name for path in set(folder.iterdir()) - before} == {"seen.mp4", "seen.wav"}
    assert {"event": "recording_sound", "path": "seen.wav"} in events
    recorded, rate = read_wav(Path("seen.wav"))
    original = read_wav(Path("clip.wav"))[0]
    assert rate == RATE and len(recorded) > 5.5 * RATE and np.array_equal(recorded, original[: len(recorded)])
    demo(run, "--record", "mute.mp4")
    assert not Path("mute.wav").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "--microphone default",
            "--microphone has no effect on clip.avi, which is run as fast as possible: add --real",
        ),
        ("--microphone missing.wav", "missing.wav: there is no such file"),
        ("--microphone clip.avi", "clip.avi: not an uncompressed .wav file"),
        ("--microphone low.wav", "low.wav: a sound of 8,000 samples per second cannot be used"),
        ("--microphone empty.wav", "empty.wav: it holds no samples"),
        ("--microphone clip.wav --record clip.mp4", "--record clip.mp4 would overwrite clip.wav with its sound"),
    ],
)
def test_what_cannot_be_heard_is_one_line(run, folder, options, message):
    write_wav(Path("low.wav"), np.zeros(8000, np.float32), 8000)
    write_wav(Path("empty.wav"), np.zeros(0, np.float32), RATE)
    original = Path("clip.wav").read_bytes()
    status, out, err = run("demo", "a.tflite", "--source", "clip.avi", "--headless", *options.split())
    assert (status, out) == (2, "") and err.startswith("edgeshift: ") and err.count("\n") == 1, err
    assert message in err and Path("clip.wav").read_bytes() == original


class Unplugged:
    """A microphone that gives noise for a while, fails, and works again when it is opened once more."""

    name, through, rate = "fake", "test", RATE

    def __init__(self, blocks: int) -> None:
        self.blocks, self.opened = blocks, 0

    def open(self) -> Any:
        self.opened += 1
        if self.opened == 2:
            raise SoundError("not there yet")
        self.left = self.blocks if self.opened == 1 else 10**6
        self.due = monotonic()
        return self

    def read(self) -> Block:
        if not self.left:
            raise SoundError("it was unplugged")
        self.left -= 1
        self.due += 0.02  # as a real microphone, it gives samples at its rate however busy the machine is
        sleep(max(0.0, self.due - monotonic()))
        return Block(np.random.default_rng(self.left).normal(0, 0.1, RATE // 50).astype(np.float32), False)

    def close(self) -> None:
        pass


def test_a_microphone_that_disappears_leaves_the_picture_alone(run, folder, monkeypatch):
    monkeypatch.setattr(listener, "FIRST_WAIT", 0.3)
    monkeypatch.setattr(find, "find_microphone", lambda _: Unplugged(80))
    events = demo(run, "--realtime", "--microphone", "default")
    names = [event["event"] for event in events]
    assert names.count("microphone_lost") == names.count("microphone_back") == 1
    lost = next(event for event in events if event["event"] == "microphone_lost")
    assert lost["name"] == "fake" and lost["reason"] == "it was unplugged"
    heard = [event["heard"] for event in events if event["event"] == "sound"]
    assert heard[-1] == "heard" and "waiting" in heard[heard.index("heard") :]
    assert events[-1]["sound"]["lost"] == 1 and events[-1]["steps"] >= 20


@pytest.mark.slow
def test_a_converted_artifact_hears(run, folder, tmp_path, monkeypatch):
    from edgeshift.converters import Options, convert
    from edgeshift.runtimes import load

    config = ModelConfig("tsam", "mobilenet_v2", 5, size=SIZE, depth=1, width=0.5, sound=SETTINGS)
    description = describe_network(config, quiet=(0.0,) * 5, frame_spacing=SPACING)
    checkpoint = Checkpoint(build(config, seed=0), description, "edgeshift")
    convert(checkpoint, "tflite", tmp_path / "a.tflite", Options(precision="fp32"))
    monkeypatch.setattr(session, "load", load)
    events = demo(run, "--microphone", "clip.wav")
    assert [event["heard"] for event in events if event["event"] == "sound"] == ["deaf", "waiting", "heard"]
    assert events[-1]["runtime"].startswith("LiteRT")
