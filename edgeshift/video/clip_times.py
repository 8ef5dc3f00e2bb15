"""Whether the frames of a clip have times, and the option ``--fps``, which replaces times that are missing.

A folder of pictures and a raw stream have no times. A container has, unless it is damaged.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from itertools import islice
from pathlib import Path

from edgeshift.errors import EdgeshiftError, VideoError
from edgeshift.video.container import is_raw
from edgeshift.video.decode import lazy_frames

#: Largest number of containers that are opened to look for one without times. Opening one takes about 10 ms.
MAX_OPENED = 200


def has_times(clip: Path) -> bool:
    """Return False for folders of pictures and raw streams, whose frames have no times. Only the first bytes are read.

    A file that cannot be read counts as one with times: the error is reported when the clip is read.
    """
    return _without_times(clip) is None


def require_fps(clips: Iterable[Path], fps: float | None) -> None:
    """Check that frames per second are given, if a clip needs them because its frames are chosen by their times.

    Args:
        clips: the clips that will be read.
        fps: the value of ``--fps``; None: not given.

    Raises:
        EdgeshiftError: a clip is a folder of images or a raw stream, and ``fps`` is not given.
    """
    if fps is not None:
        return
    for clip in clips:
        if (kind := _without_times(clip)) is not None:
            raise EdgeshiftError(f"{clip} is {kind}, which have no times: give their frames per second with --fps")


def fps_without_effect(clips: Iterable[Path], fps: float | None) -> str | None:
    """Return why frames per second have no effect on these clips, as for ``edgeshift.cli.effect``.

    Args:
        clips: the clips that will be read.
        fps: the value of ``--fps``; None: not given, and then nothing is read.

    Returns:
        The reason; None: they have an effect, or are not given.
    """
    clips = list(clips)
    if fps is None or not all(map(has_times, clips)) or not all(map(_states_times, clips[:MAX_OPENED])):
        return None
    return "on clips with times, only on folders of images and raw streams: leave it out"


def _without_times(clip: Path) -> str | None:
    """Return what a clip without times is, in words; None: it is a container."""
    if clip.is_dir():
        return "a folder of images"
    try:
        if not clip.is_file():
            return None
        with clip.open("rb") as file:
            head = file.read(16)
    except OSError:
        return None
    return "a raw stream of frames" if is_raw(head, clip.suffix) else None


def _states_times(video: Path) -> bool:
    """Return False if the first frames of a container have no times, as in some damaged files."""
    try:
        with closing(lazy_frames(video, 1.0)) as frames:
            later = list(islice(frames, 1, 4))  # the time of the first frame is always zero
    except VideoError:
        return True
    return not later or any(frame.timed for frame in later)
