"""Read video files and image folders as frames with timestamps, and write videos.

read_video   every frame
uniform      ``count`` frames spread over the whole clip, for the classification of clips
paced        one frame per ``spacing`` seconds, as a stream takes them
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from edgeshift._system.files import atomic_write
from edgeshift.errors import VideoError
from edgeshift.video.decode import lazy_frames, opencv_path
from edgeshift.video.fit import Frame, opencv
from edgeshift.video.pace import Pacer
from edgeshift.video.segments import segment_middles


class TimedFrame(NamedTuple):
    """A frame, uint8 [H, W, 3] RGB, and its time in seconds from the start of the clip."""

    frame: Frame
    timestamp: float


class VideoInfo(NamedTuple):
    """Properties of a clip by its container: ``duration`` in seconds; ``frames`` and ``duration`` are 0 if unknown."""

    width: int
    height: int
    fps: float
    frames: int
    duration: float


def read_video(path: str | Path, *, fps: float | None = None) -> Iterator[TimedFrame]:
    """Yield every frame of a video file or image folder, in order. Only one frame is in memory at a time.

    Args:
        path: a video file, or a folder of .jpg and .png files, which are sorted by name (2 before 10).
        fps: frames per second of an image folder or a raw H.264 or H.265 stream; None: 25, or the rate that the stream
            states. The times in other video files take precedence.

    Raises:
        VideoError: the path is not a video. After the last frame: the file ends early, and has less than half of the
            frames that its container states.

    Warns:
        VideoWarning: frames in the middle are damaged and were skipped; or a container has no times, and ``fps`` is
            None.
    """
    with closing(lazy_frames(path, fps)) as clip:
        for frame in clip:
            yield TimedFrame(frame.retrieve(), frame.timestamp)


def probe(path: str | Path, *, fps: float | None = None) -> VideoInfo:
    """Return the properties of a clip, after decoding its first frame. Arguments and errors as in ``read_video``."""
    with closing(lazy_frames(path, fps)) as clip:
        first = next(clip)
        height, width = first.retrieve().shape[:2]
        return VideoInfo(width, height, first.fps, first.frame_count, first.frame_count / first.fps)


def uniform(
    path: str | Path,
    count: int,
    *,
    fps: float | None = None,
    convert: Callable[[Frame], Frame] = lambda frame: frame,
) -> list[TimedFrame]:
    """Return the middle frame of each of ``count`` equal segments of a clip (the test sampling of TSN).

    If the clip has fewer frames, some are repeated. The clip is decoded once, or twice if its container states a wrong
    number of frames. At most ``count`` frames are in memory, each after ``convert``, such as a change of its size.

    Raises:
        VideoError: as ``read_video``, or the count is below 1.
    """
    if count < 1:
        raise VideoError(f"cannot sample {count} frames of {path}: ask for 1 or more")
    total = probe(path, fps=fps).frames
    while True:
        indices = segment_middles(total, count)
        frames: dict[int, TimedFrame] = {}
        decoded = 0
        with closing(lazy_frames(path, fps)) as clip:
            for frame in clip:
                if decoded in indices:
                    frames[decoded] = TimedFrame(convert(frame.retrieve()), frame.timestamp)
                decoded += 1
        if decoded == total:
            return [frames[index] for index in indices]
        total = decoded  # the container stated a wrong number


def paced(path: str | Path, spacing: float, *, fps: float | None = None) -> Iterator[TimedFrame]:
    """Yield the frames that are due in a stream with a frame spacing (``edgeshift.video.pace.Pacer``).

    Args:
        path: as for ``read_video``.
        spacing: seconds between frames.
        fps: frames per second of an image folder. It is required there, because images have no times.

    Raises:
        VideoError: as ``read_video``, or the spacing is not positive, or ``fps`` is missing.
    """
    pacer = Pacer(spacing)
    if fps is None and Path(path).is_dir():
        raise VideoError(f"{path} is a folder of images, which have no times: pass its frames per second")
    with closing(lazy_frames(path, fps)) as clip:
        for frame in clip:
            if pacer.takes(frame.timestamp):
                yield TimedFrame(frame.retrieve(), frame.timestamp)


def write_video(path: str | Path, frames: Iterable[Frame], fps: float) -> None:
    """Write a video. No file has this name until it is complete.

    Args:
        path: file name with the suffix .mp4 (MPEG-4, which needs even width and height) or .avi (motion JPEG).
        frames: uint8 [H, W, 3] RGB, all of one size.
        fps: frames per second.

    Raises:
        VideoError: the suffix is another one, there are no frames, a frame has another size or dtype, OpenCV lacks the
            codec, or the file cannot be written.
    """
    path = Path(path)
    codec = {".mp4": "mp4v", ".avi": "MJPG"}.get(path.suffix.lower())
    if codec is None:
        raise VideoError(f"cannot write {path}: its name must end in .mp4 or .avi")
    try:
        with atomic_write(path) as temporary:
            written = _encode(temporary, path, frames, codec, fps)
            if not _holds(temporary, written):
                raise VideoError(f"cannot write {path}: the file does not hold all {written} frames; is the disk full?")
    except OSError as error:
        raise VideoError(f"cannot write {path}: {error.strerror or error}") from error


def _holds(path: Path, frames: int) -> bool:
    """Return whether a video that was just written holds all its frames. OpenCV does not report a full disk."""
    try:
        return path.stat().st_size > 0 and probe(path).frames == frames
    except VideoError:
        return False


def _encode(temporary: Path, path: Path, frames: Iterable[Frame], codec: str, fps: float) -> int:
    cv2 = opencv("writing video")
    writer, shape, written = None, (0, 0, 3), 0
    try:
        for frame in frames:
            if writer is None:
                shape = (*frame.shape[:2], 3)
                if codec == "mp4v" and (shape[0] % 2 or shape[1] % 2):
                    raise VideoError(f"cannot write frames of {shape[1]}x{shape[0]} to {path}: .mp4 needs even sides")
                size = (shape[1], shape[0])
                writer = cv2.VideoWriter(opencv_path(temporary), cv2.VideoWriter_fourcc(*codec), fps, size)
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
