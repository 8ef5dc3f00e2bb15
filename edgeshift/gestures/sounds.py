"""Drawn sounds beside drawn videos: a .wav file for each, with one sound for a clip and a soundtrack for a stream."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeshift.errors import GestureError
from edgeshift.sound import SoundSettings, log_mel, read_wav
from edgeshift.sound.analysis import Samples
from edgeshift.sound.drawn import QUIET, SoundEvent, draw_sound, draw_soundtrack
from edgeshift.video.fit import Frame, opencv
from edgeshift.video.picture import write_title

#: Seconds of sound after the end of a video, so that a picture of as many seconds as the video fits into the sound.
AFTER = 0.1
#: Longest soundtrack, seconds.
MAX_SECONDS = 3600.0
#: The spectrogram of the contact sheet.
SHEET_SETTINGS = SoundSettings(seconds=1.0, frames=1, bands=64)


@dataclass(frozen=True, eq=False)
class VideoSound:
    """The sound of a video. ``events`` are its sounds, in seconds from the video's beginning; empty: it is quiet."""

    samples: Samples
    events: tuple[SoundEvent, ...]


def sound_of_clip(index: int, labels: int, sounds: tuple[str, ...]) -> str:
    """Return the name of the sound of clip ``index`` of a folder, or ``QUIET``.

    The labels of successive clips take turns. So do the sounds of each label, and each label begins with another one.
    """
    names = (*sounds, QUIET)
    return names[(index % labels + index // labels) % len(names)]


def draw_clip_sound(seed: int, name: str, seconds: float) -> VideoSound:
    """Draw the sound of a clip of ``seconds``. The same arguments give the same samples."""
    drawn = draw_sound(seed, name, seconds=seconds + AFTER)
    events = () if name == QUIET else (SoundEvent(name, drawn.begin, drawn.end),)
    return VideoSound(drawn.samples, events)


def draw_stream_sound(seed: int, sounds: tuple[str, ...], seconds: float) -> VideoSound:
    """Draw the soundtrack of a stream of ``seconds``. The same arguments give the same samples."""
    drawn = draw_soundtrack(seed, seconds=seconds + AFTER, names=sounds)
    return VideoSound(drawn.samples, tuple(event for event in drawn.events if event.begin < seconds))


def require_length(seconds: float) -> None:
    """Raise GestureError if a video is too long for a soundtrack."""
    if seconds + AFTER > MAX_SECONDS:
        raise GestureError(f"a soundtrack has at most {MAX_SECONDS:,.0f} s: draw shorter videos, or leave --sounds out")


def spectrogram(path: Path, begin: float, end: float, width: int, height: int, title: str) -> Frame:
    """Return a picture of a part of a .wav file, with low frequencies at the bottom: RGB of this width and height."""
    cv2 = opencv("drawing gestures")
    samples, rate = read_wav(path)
    first = min(max(int(begin * rate), 0), max(len(samples) - rate // 5, 0))
    part = samples[first : max(int(end * rate), first + rate // 5)]
    columns = log_mel(part, rate, SHEET_SETTINGS)[0]
    low, high = SHEET_SETTINGS.low, SHEET_SETTINGS.high
    grey = np.floor((columns.T[::-1] - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8)
    picture = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    colours = np.repeat(picture[..., None], 3, axis=2)
    write_title(colours, title)
    return colours
