"""The meaning of ``--microphone``, and which microphones this machine can use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeshift.apps.camera.microphones import arecord, portaudio
from edgeshift.apps.camera.microphones.arecord import ArecordMicrophone
from edgeshift.apps.camera.microphones.base import Microphone, Sound
from edgeshift.apps.camera.microphones.listener import Listener
from edgeshift.apps.camera.microphones.portaudio import PortAudioMicrophone
from edgeshift.apps.camera.microphones.wav_file import ClipSound, WavMicrophone
from edgeshift.errors import SoundError, install_command


def is_file(text: str) -> bool:
    """Whether the text of ``--microphone`` names a file; False: a microphone."""
    return Path(text).suffix.lower() == ".wav" or Path(text).is_file()


def open_sound(text: str, *, clip: bool) -> Sound:
    """Open the microphone or file that the text of ``--microphone`` names.

    Args:
        text: a .wav file; "default"; the number of a microphone or a part of its name; "arecord" or "arecord:NAME" for
            a microphone through arecord.
        clip: whether the frames come from a clip. A file then follows the time in the clip.

    Raises:
        SoundError: the file cannot be read, or the microphone cannot be opened.
    """
    if is_file(text):
        return ClipSound(Path(text)) if clip else Listener(WavMicrophone(Path(text)))
    return Listener(find_microphone(text))


def find_microphone(text: str) -> Microphone:
    """Return the microphone that a text names, without opening it.

    Without a prefix, sounddevice is used if it is installed, else arecord.

    Raises:
        SoundError: neither is installed.
    """
    through, _, name = text.partition(":")
    if through == arecord.THROUGH:
        return ArecordMicrophone(name or portaudio.DEFAULT)
    try:
        portaudio.load()
    except SoundError as error:
        if arecord.available():
            return ArecordMicrophone(text)
        raise SoundError(f"a microphone needs sounddevice or arecord: {_install_either()}") from error
    return PortAudioMicrophone(text)


def _install_either() -> str:
    return f"{install_command('microphone')} and apt install libportaudio2, or {arecord.INSTALL}"


@dataclass(frozen=True)
class MicrophoneStatus:
    """What this machine can do with a microphone.

    Attributes:
        through: what the demo reads a microphone through, "sounddevice" or "arecord"; None: through nothing.
        inputs: number and name of each microphone that sounddevice finds.
        problem: why sounddevice cannot be used, with the command that helps; None: it can.
        fix: command that installs what is missing; None: a microphone can be used.
    """

    through: str | None
    inputs: tuple[str, ...]
    problem: str | None
    fix: str | None = None


def examine() -> MicrophoneStatus:
    """Find out what this machine can do with a microphone. No microphone is opened."""
    try:
        sounddevice = portaudio.load()
    except SoundError as error:
        if arecord.available():
            return MicrophoneStatus(arecord.THROUGH, (), str(error))
        return MicrophoneStatus(None, (), str(error), _install_either())
    return MicrophoneStatus(portaudio.THROUGH, tuple(portaudio.known_inputs(sounddevice)), None)
