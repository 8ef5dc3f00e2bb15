"""Microphones through the package sounddevice, which uses the library PortAudio."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

import numpy as np

from edgeshift._system.quiet import quiet
from edgeshift.apps.camera.microphones.base import BLOCK, NO_SOUND, TIMEOUT, Block
from edgeshift.errors import SoundError, install_command, one_line

THROUGH = "sounddevice"
DEFAULT = "default"
#: Seconds between two looks for new samples.
POLL = 0.005
#: PortAudio's number of the error that samples were lost, because they were not read in time.
OVERFLOWED = -9981


def load() -> Any:
    """Import sounddevice.

    Raises:
        SoundError: the package or the library PortAudio is missing.
    """
    try:
        with quiet():  # ALSA prints a line for every device that its configuration names and the machine lacks
            import sounddevice
    except ImportError as error:
        raise SoundError(f"the package sounddevice is not installed: {install_command('microphone')}") from error
    except OSError as error:
        raise SoundError(
            f"the package sounddevice cannot be used ({one_line(error)}): apt install libportaudio2"
        ) from error
    return sounddevice


@dataclass(frozen=True)
class PortAudioMicrophone:
    """A microphone that PortAudio knows.

    Attributes:
        name: its number, a part of its name, or "default".
    """

    name: str

    through = THROUGH

    def open(self) -> PortAudioStream:
        """Open the microphone."""
        sounddevice = load()
        device = None if self.name == DEFAULT else int(self.name) if self.name.isdecimal() else self.name
        try:
            with quiet():
                # PortAudio lists the devices only when it starts, so a device that was plugged in again needs this.
                sounddevice._terminate()
                sounddevice._initialize()
                stream = sounddevice.InputStream(device=device, channels=1, dtype="float32")
                stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:
            raise SoundError(
                f"microphone {self.name!r} cannot be opened ({one_line(error)}); {describe_inputs(sounddevice)}"
            ) from error
        return PortAudioStream(sounddevice, stream, self.name)


class PortAudioStream:
    """An open stream of PortAudio."""

    def __init__(self, sounddevice: Any, stream: Any, name: str) -> None:
        self._sounddevice, self._stream, self._name = sounddevice, stream, name
        self.rate = round(stream.samplerate)

    def read(self) -> Block:
        """Wait for the next samples and return them."""
        # A blocking read would hang when the microphone is unplugged.
        least, end = max(1, round(BLOCK * self.rate)), monotonic() + TIMEOUT
        try:
            while (count := self._stream.read_available) < least:
                if monotonic() > end:
                    raise SoundError(NO_SOUND)
                sleep(POLL)
            samples, lost = self._stream.read(count)
        except self._sounddevice.PortAudioError as error:
            if OVERFLOWED in error.args:
                return Block(np.empty(0, np.float32), True)
            raise SoundError(one_line(error)) from error
        return Block(np.ascontiguousarray(samples[:, 0], np.float32), bool(lost))

    def close(self) -> None:
        """Release the microphone."""
        try:
            self._stream.close()
        except self._sounddevice.PortAudioError:
            return  # it is gone already


def known_inputs(sounddevice: Any) -> list[str]:
    """Return number and name of each device that gives sound."""
    try:
        with quiet():
            devices = list(sounddevice.query_devices())
    except sounddevice.PortAudioError:
        return []
    return [f"{number} ({device['name']})" for number, device in enumerate(devices) if device["max_input_channels"]]


def describe_inputs(sounddevice: Any) -> str:
    """Return a text that names the microphones of this machine, for the end of an error message."""
    inputs = known_inputs(sounddevice)
    return "microphones here: " + ", ".join(inputs) if inputs else "PortAudio finds no microphone on this machine"
