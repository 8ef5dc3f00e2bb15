"""Real microphone paths: a drawn soundtrack is played into PulseAudio's null sink, whose monitor is the microphone."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pytest

from edgeshift.apps.camera.microphones import portaudio
from edgeshift.apps.camera.microphones.base import Microphone, Piece
from edgeshift.apps.camera.microphones.find import find_microphone
from edgeshift.apps.camera.microphones.listener import Listener
from edgeshift.errors import SoundError
from edgeshift.sound import write_wav
from edgeshift.sound.drawn import draw_soundtrack

MISSING = [name for name in ("pulseaudio", "paplay", "pactl", "arecord") if shutil.which(name) is None]
PLUGIN = not any(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so"))
pytestmark = pytest.mark.skipif(
    bool(MISSING) or PLUGIN,
    reason=f"PulseAudio with its ALSA plugin, or arecord, is missing: {MISSING or 'plugin'}",
)


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A PulseAudio server of this test, with a null sink whose monitor is the default microphone."""
    home = tmp_path_factory.mktemp("pulse")
    socket = home / "socket"
    variables = {
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        "PULSE_RUNTIME_PATH": str(home / "run"),
        "PULSE_SERVER": f"unix:{socket}",
        "PULSE_SINK": "played",
        "PULSE_SOURCE": "played.monitor",
    }
    modules = [f"module-native-protocol-unix socket={socket} auth-anonymous=1", "module-null-sink sink_name=played"]
    log = home / "log"
    with pytest.MonkeyPatch.context() as patch, log.open("wb") as output:
        for name, value in variables.items():
            patch.setenv(name, value)
        server = subprocess.Popen(
            ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes"]
            + [f"--load={module}" for module in modules],
            stdout=output,
            stderr=output,
            env=os.environ,
        )
        try:
            end = monotonic() + 15
            while subprocess.run(["pactl", "info"], capture_output=True, check=False).returncode:
                if server.poll() is not None or monotonic() > end:
                    pytest.skip(f"PulseAudio does not start here: {log.read_text(errors='replace')[-200:]}")
                sleep(0.1)
            yield
        finally:
            server.terminate()
            server.wait()


@pytest.fixture(params=["arecord", "sounddevice"])
def microphone(request: pytest.FixtureRequest, sink: None) -> Microphone:
    if request.param == "arecord":
        return find_microphone("arecord:pulse")
    try:
        portaudio.load()
    except SoundError as error:
        pytest.skip(str(error))
    return find_microphone("pulse")


def play(path: Path, sound: Listener) -> list[Piece]:
    """Play a file, and return the pieces that arrive during that time."""
    pieces: list[Piece] = []
    sound.take(float("inf"))
    with subprocess.Popen(["paplay", str(path)]) as player:
        end = monotonic() + 20
        while player.poll() is None and monotonic() < end:
            pieces += sound.take(monotonic())
            sleep(0.05)
    assert player.returncode == 0
    sleep(0.3)
    return pieces + sound.take(float("inf"))


def opened(microphone: Microphone) -> Listener:
    """Return a listener. PortAudio does not list a device that does not open at once, as on a busy machine."""
    end = monotonic() + 20
    while True:
        try:
            return Listener(microphone)
        except SoundError:
            if monotonic() > end:
                raise
            sleep(0.5)


def likeness(heard: np.ndarray, played: np.ndarray, rate: int) -> float:
    """Return the largest correlation of what was played with a part of what was heard.

    The first milliseconds of the file, which are silent, may not reach the microphone. Silence is put in their place.
    """
    heard = np.pad(heard, (rate // 10, 0))
    length = len(heard) + len(played)
    product = np.fft.irfft(np.fft.rfft(heard, length) * np.fft.rfft(played, length).conj(), length)
    begin = int(product[: len(heard)].argmax())
    part = heard[begin : begin + len(played)]
    return float(np.corrcoef(part, played[: len(part)])[0, 1])


@dataclass(frozen=True)
class Recorded:
    """What a listener heard while a drawn soundtrack was played: its pieces, what was played, and the events."""

    rate: int
    through: str
    pieces: list[Piece]
    drawn: np.ndarray
    events: list[str]


def record(microphone: Microphone, folder: Path) -> Recorded:
    """Play a drawn soundtrack, and return what arrives at a microphone."""
    sound = opened(microphone)
    script = [("clap", 0.6), ("whistle-up", 1.4)]
    drawn = draw_soundtrack(3, script, seconds=2.5, rate=sound.rate)
    write_wav(folder / "drawn.wav", drawn.samples, sound.rate)
    events: list[str] = []
    sound.start(lambda event, **_: events.append(event))
    end = monotonic() + 10
    while not sound.take(monotonic()) and monotonic() < end:
        sleep(0.1)
    for _ in range(3):  # on a busy machine samples may be lost, which is then reported
        pieces = play(folder / "drawn.wav", sound)
        if not any(piece.gap for piece in pieces):
            break
    sound.stop()
    return Recorded(sound.rate, sound.through, pieces, drawn.samples, events)


def test_a_played_soundtrack_arrives_whole_and_in_time(microphone: Microphone, tmp_path: Path):
    # As in the demo, the microphone has a process of its own, in which no other test has changed anything.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        try:
            recorded = process.submit(record, microphone, tmp_path).result(timeout=120)
        except SoundError as error:
            if "PortAudio finds no microphone" in str(error):
                pytest.skip(f"PortAudio does not list PulseAudio's microphone here: {error}")
            raise
    pieces, rate = recorded.pieces, recorded.rate
    assert rate in (44_100, 48_000) and recorded.through in ("arecord", "sounddevice")
    assert recorded.events == [] and not any(piece.gap for piece in pieces)
    heard = np.concatenate([piece.samples for piece in pieces])
    # A sample that is missing, or 0.1 ms more or less between the two sounds, would make the likeness much smaller.
    assert likeness(heard, recorded.drawn, rate) > 0.95
    # The times of the pieces agree with the number of samples.
    begins = np.cumsum([0] + [len(piece.samples) for piece in pieces[:-1]]) / rate
    late = np.array([piece.timestamp for piece in pieces]) - begins
    assert np.abs(late[len(late) // 2 :] - late[-1]).max() < 0.01


def test_a_microphone_that_does_not_exist_is_one_line(sink: None):
    with pytest.raises(SoundError, match=r"cannot be opened through arecord .*arecord -L lists the names"):
        find_microphone("arecord:nothing").open()
    try:
        portaudio.load()
    except SoundError as error:
        pytest.skip(str(error))
    with pytest.raises(SoundError, match=r"'no such thing' cannot be opened .*microphones? "):
        find_microphone("no such thing").open()


def test_a_recorder_that_dies_is_an_error(sink: None):
    opened = find_microphone("arecord:pulse").open()
    assert len(opened.read().samples)
    opened._process.kill()
    with pytest.raises(SoundError, match="ended"):
        for _ in range(1000):
            opened.read()
    opened.close()
    opened.close()
