"""The thread that reads a microphone: pieces, gaps, loss and return, and .wav files in place of a microphone."""

from __future__ import annotations

import threading
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest

from edgeshift.apps.camera.microphones import listener as module
from edgeshift.apps.camera.microphones.base import Block, Piece
from edgeshift.apps.camera.microphones.listener import Listener
from edgeshift.apps.camera.microphones.wav_file import ClipSound, WavMicrophone
from edgeshift.errors import SoundError
from edgeshift.sound import write_wav

RATE = 8000


class FakeMicrophone:
    """Gives the steps of a script: a block, an error, None for the end, or an event to wait for."""

    name, through = "fake", "test"

    def __init__(self, *scripts: list[Any]) -> None:
        self.scripts, self.opened, self.closed = list(scripts), 0, 0
        self.rate = RATE

    def open(self) -> FakeMicrophone:
        self.opened += 1
        if not self.scripts:
            raise SoundError("it is not there")
        self.script = self.scripts.pop(0)
        return self

    def read(self) -> Block | None:
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, threading.Event):
            step.wait(5)
            return Block(np.empty(0, np.float32), False)
        sleep(0.001)
        return step

    def close(self) -> None:
        self.closed += 1


def block(value: float, count: int = 160, lost: bool = False) -> Block:
    return Block(np.full(count, value, np.float32), lost)


class Events(list[tuple[str, dict[str, Any]]]):
    """The events that were emitted."""

    def emit(self, event: str, **facts: Any) -> None:
        self.append((event, facts))

    def wait(self, event: str) -> dict[str, Any]:
        end = monotonic() + 5
        while monotonic() < end:
            for name, facts in list(self):
                if name == event:
                    return facts
            sleep(0.005)
        raise AssertionError(f"no {event} in {self}")


def joined(pieces: list[Piece]) -> np.ndarray:
    return np.concatenate([piece.samples for piece in pieces])


def test_the_model_gets_the_samples_up_to_the_time_of_its_frame():
    end = threading.Event()
    sound = Listener(FakeMicrophone([*(block(index / 10) for index in range(5)), end, None]))
    events = Events()
    sound.start(events.emit)
    sleep(0.1)
    first = sound.take(float("inf"))
    assert joined(first).tolist() == joined([Piece(block(i / 10).samples, 0, RATE) for i in range(5)]).tolist()
    assert not any(piece.gap for piece in first) and sound.take(float("inf")) == []
    end.set()
    assert events.wait("microphone_ended") == {"name": "fake"}
    sound.stop()


def test_a_piece_is_divided_at_the_time_of_the_frame():
    sound = Listener(FakeMicrophone([]))
    ramp = np.arange(160, dtype=np.float32)
    sound._put(Piece(ramp, 10.0, RATE, gap=True))
    assert sound.take(9.0) == [] and sound.take(10.0) == []
    (first,) = sound.take(10.005)
    assert first.samples.tolist() == ramp[:40].tolist() and first.timestamp == 10.0 and first.gap
    (second,) = sound.take(11.0)
    assert second.samples.tolist() == ramp[40:].tolist() and second.timestamp == pytest.approx(10.005)
    assert not second.gap
    sound.stop()


def test_the_memory_is_bounded_and_dropped_pieces_are_a_gap():
    sound = Listener(FakeMicrophone([]))
    for second in range(25):
        sound._put(Piece(np.zeros(RATE, np.float32), float(second), RATE))
    pieces = sound.take(100.0)
    assert sum(len(piece.samples) for piece in pieces) <= module.KEPT * RATE
    assert pieces[0].timestamp == 15.0 and [piece.gap for piece in pieces] == [True] + [False] * 9
    sound.stop()


def test_samples_that_the_driver_lost_are_a_gap():
    end = threading.Event()
    script = [block(0.1), block(0.2, lost=True), Block(np.empty(0, np.float32), True), block(0.3), end, None]
    sound = Listener(FakeMicrophone(script))
    sound.start(Events().emit)
    sleep(0.1)
    pieces = sound.take(float("inf"))
    assert [piece.gap for piece in pieces] == [False, True, True]
    end.set()
    sound.stop()


def test_a_lost_microphone_is_reported_once_and_opened_again(monkeypatch):
    monkeypatch.setattr(module, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(module, "LAST_WAIT", 0.05)
    end, events = threading.Event(), Events()
    microphone = FakeMicrophone([block(0.1), SoundError("it was unplugged")])
    sound = Listener(microphone)
    sound.start(events.emit)
    assert events.wait("microphone_lost") == {"name": "fake", "reason": "it was unplugged"}
    while microphone.opened < 4:  # attempts that fail
        sleep(0.01)
    assert sound.lost and sound.losses == 1
    microphone.scripts.append([block(0.2), block(0.3), end, None])
    events.wait("microphone_back")
    sleep(0.1)
    pieces = sound.take(float("inf"))
    assert not sound.lost and [piece.gap for piece in pieces] == [False, True, False]
    assert [name for name, _ in events] == ["microphone_lost", "microphone_back"]
    end.set()
    sound.stop()
    assert microphone.closed


def test_stop_does_not_wait_for_a_driver_that_hangs(monkeypatch):
    monkeypatch.setattr(module, "STOP_TIMEOUT", 0.1)
    hang = threading.Event()
    sound = Listener(FakeMicrophone([hang, None]))
    sound.start(Events().emit)
    begin = monotonic()
    sound.stop()
    assert monotonic() - begin < 2
    hang.set()


def test_a_microphone_that_cannot_be_opened_is_an_error():
    with pytest.raises(SoundError, match="not there"):
        Listener(FakeMicrophone())


@pytest.fixture
def wav(tmp_path: Path) -> tuple[Path, np.ndarray]:
    samples = np.round(np.random.default_rng(0).uniform(-0.5, 0.5, RATE) * 32768).astype(np.float32) / 32768
    write_wav(tmp_path / "a.wav", samples, RATE)
    return tmp_path / "a.wav", samples


def test_a_file_is_paced_by_the_clock(wav):
    path, samples = wav
    sound, events = Listener(WavMicrophone(path)), Events()
    begin = monotonic()
    sound.start(events.emit)
    pieces: list[Piece] = []
    while not events:
        pieces += sound.take(monotonic())
        sleep(0.02)
    assert monotonic() - begin >= 1.0
    pieces += sound.take(float("inf"))
    assert events == [("microphone_ended", {"name": str(path)})]
    assert np.array_equal(joined(pieces), samples) and not any(piece.gap for piece in pieces)
    # A busy machine may delay the thread, but each piece has the time at which it would have been recorded.
    times = np.array([piece.timestamp for piece in pieces]) - begin
    counts = np.cumsum([0] + [len(piece.samples) for piece in pieces[:-1]]) / RATE
    assert np.abs((times - counts)[len(times) // 2 :] - (times - counts)[-1]).max() < 0.01
    sound.stop()


def test_a_file_follows_the_time_in_a_clip(wav):
    path, samples = wav
    sound = ClipSound(path)
    assert sound.take(0.0) == []
    pieces = [piece for time in (0.25, 0.25, 0.5, 2.0, 3.0) for piece in sound.take(time)]
    assert [piece.timestamp for piece in pieces] == [0.0, 0.25, 0.5] and np.array_equal(joined(pieces), samples)
    (again,) = sound.take(0.1)  # the clip starts again
    assert again.timestamp == 0.0 and len(again.samples) == RATE // 10
