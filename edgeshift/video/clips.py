"""Frames with timestamps out of video files and image folders, sampled in the two ways shift models need.

    read_video   every frame
    uniform      ``count`` frames spread over the whole clip: how clips are classified
    paced        one frame per ``spacing`` seconds: what a stream sees

A path is always a file or a folder of this machine, never an address, a device or a playlist.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edgeshift._system.files import atomic_write
from edgeshift.errors import VideoError
from edgeshift.video.decode import grabs, opencv_path
from edgeshift.video.fit import Frame, opencv

#: Names of video files end so.
VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg")
CLOCK_TOLERANCE = 0.001  # seconds; some containers store whole milliseconds


class TimedFrame(NamedTuple):
    """One frame: uint8 [H, W, 3] RGB, and its time in seconds from the beginning of the clip."""

    frame: Frame
    timestamp: float


@dataclass(frozen=True)
class VideoInfo:
    """What a clip says of itself. frames is 0 where its container does not tell; duration is in seconds."""

    width: int
    height: int
    fps: float
    frames: int
    duration: float


def read_video(path: str | Path, *, fps: float | None = None) -> Iterator[TimedFrame]:
    """Every frame of a video file or image folder, in order. Holds one frame at a time.

    Args:
        path: a video file, or a folder of .jpg and .png files in the order of their names (2 before 10).
        fps: frames per second of an image folder, 25 where it is not given. A file's own times come first.

    Raises:
        VideoError: at the first frame, where the path holds no video; after the last, where the file breaks off
            before half of the frames and of the duration that its container announces.
    """
    with closing(grabs(path, fps)) as clip:
        for grab in clip:
            yield TimedFrame(grab.retrieve(), grab.timestamp)


def probe(path: str | Path, *, fps: float | None = None) -> VideoInfo:
    """What a clip says of itself, after decoding its first frame. Arguments and errors as in ``read_video``."""
    with closing(grabs(path, fps)) as clip:
        first = next(clip)
        height, width = first.retrieve().shape[:2]
        return VideoInfo(width, height, first.fps, first.announced, first.announced / first.fps)


def uniform(path: str | Path, count: int, *, fps: float | None = None) -> list[TimedFrame]:
    """``count`` frames, from the middle of each of ``count`` equal segments of the clip (TSN's test sampling).

    A clip with fewer frames repeats some. Decodes the clip once, or twice where its container announces a wrong
    number of frames; never holds more than ``count`` frames.

    Raises:
        VideoError: as ``read_video``, or a count below 1.
    """
    if count < 1:
        raise VideoError(f"cannot sample {count} frames of {path}: ask for 1 or more")
    frames = probe(path, fps=fps).frames
    while True:
        picks = [int((segment + 0.5) * frames / count) for segment in range(count)]
        kept: dict[int, TimedFrame] = {}
        seen = 0
        with closing(grabs(path, fps)) as clip:
            for grab in clip:
                if seen in picks:
                    kept[seen] = TimedFrame(grab.retrieve(), grab.timestamp)
                seen += 1
        if seen == frames:
            return [kept[index] for index in picks]
        frames = seen  # the container was wrong: now the number is known


def paced(path: str | Path, spacing: float, *, fps: float | None = None) -> Iterator[TimedFrame]:
    """The frames that a stream with this ``spacing`` (seconds) takes: see ``Pacer``. Errors as ``read_video``.

    An image folder needs ``fps``: without it, its frames have no times to go by.
    """
    pacer = Pacer(spacing)
    if fps is None and Path(path).is_dir():
        raise VideoError(f"{path} is a folder of images, which have no times: pass its frames per second")
    with closing(grabs(path, fps)) as clip:
        for grab in clip:
            if pacer.takes(grab.timestamp):
                yield TimedFrame(grab.retrieve(), grab.timestamp)


class Pacer:
    """Gates a stream by time: takes the first frame at or after every multiple of ``spacing`` seconds.

    The multiples count from the first frame, so the pace does not drift whatever the camera's rate. After a gap
    one frame is taken, not one for each time that was missed. A clock that jumps back starts anew.
    """

    def __init__(self, spacing: float) -> None:
        if not (math.isfinite(spacing) and spacing > 0):
            raise VideoError(f"a frame spacing of {spacing} s makes no sense: give seconds above 0")
        self.spacing = spacing
        self._start = self._last = -math.inf
        self._due = 0  # in spacings from the start

    def takes(self, timestamp: float) -> bool:
        """Whether the frame of this time (seconds) is one to process."""
        if self._last == -math.inf or timestamp < self._last:
            self._start, self._due = timestamp, 0
        self._last = timestamp
        passed = math.floor((timestamp - self._start + CLOCK_TOLERANCE) / self.spacing)
        if passed < self._due:
            return False
        self._due = passed + 1
        return True


def write_video(path: str | Path, frames: Iterable[Frame], fps: float) -> None:
    """Write uint8 [H, W, 3] RGB frames of one size to .mp4 (MPEG-4, even sides) or .avi (motion JPEG).

    The file appears under its name only when it is whole.

    Raises:
        VideoError: another suffix, no frames, frames that do not fit, a codec that OpenCV lacks, no place to write.
    """
    path = Path(path)
    codec = {".mp4": "mp4v", ".avi": "MJPG"}.get(path.suffix.lower())
    if codec is None:
        raise VideoError(f"cannot write {path}: its name must end in .mp4 or .avi")
    try:
        with atomic_write(path) as part:
            written = _encode(part, path, frames, codec, fps)
            if part.stat().st_size == 0 or probe(part).frames != written:
                raise VideoError(f"cannot write {path}: not all of the {written} frames arrived; is the disk full?")
    except OSError as error:
        raise VideoError(f"cannot write {path}: {error.strerror or error}") from error


def _encode(part: Path, path: Path, frames: Iterable[Frame], codec: str, fps: float) -> int:
    cv2 = opencv("writing video")
    writer, shape, written = None, (0, 0, 3), 0
    try:
        for frame in frames:
            if writer is None:
                shape = (*frame.shape[:2], 3)
                if codec == "mp4v" and (shape[0] % 2 or shape[1] % 2):
                    raise VideoError(f"cannot write frames of {shape[1]}x{shape[0]} to {path}: .mp4 needs even sides")
                size = (shape[1], shape[0])
                writer = cv2.VideoWriter(opencv_path(part), cv2.VideoWriter_fourcc(*codec), fps, size)
                if not writer.isOpened():
                    raise VideoError(f"cannot write {path}: this OpenCV has no encoder for {codec} at {fps} fps")
            if frame.shape != shape or frame.dtype != "uint8":
                given = f"{frame.dtype} {list(frame.shape)}"
                raise VideoError(f"cannot write {path}: frame {written} is {given}, not uint8 {list(shape)}")
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
            written += 1
    finally:
        if writer is not None:
            writer.release()
    if written == 0:
        raise VideoError(f"cannot write {path}: there are no frames")
    return written
