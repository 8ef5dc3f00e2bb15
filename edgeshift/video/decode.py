"""Decode the frames of a video file or image folder. A frame is converted to an array only if it is used.

A path is always a local file or folder, never an address, a device or a playlist.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgeshift._system.files import read_file
from edgeshift.errors import VideoError, VideoWarning
from edgeshift.video.clip_files import frame_files
from edgeshift.video.codec import undecodable
from edgeshift.video.container import is_cut_short, is_raw
from edgeshift.video.fit import Frame, opencv

#: Largest width and height of a frame, pixels.
MAX_SIDE = 8192
#: Size of the largest image file, bytes.
MAX_IMAGE_BYTES = 1 << 28
#: Frames per second of image folders, and of files without times and without a rate.
FALLBACK_FPS = 25.0
#: Number of failed attempts, one after the other, to decode a frame after which a clip has ended.
MISSES = 64


class LazyFrame(NamedTuple):
    """One frame that is not converted to an array yet.

    Attributes:
        timestamp: seconds from the start of the clip.
        retrieve: returns the frame, uint8 [H, W, 3] RGB. Call it before the next frame is decoded.
        fps: frames per second of the clip.
        frame_count: number of frames that the container states; 0: not stated.
        timed: whether the clip states the timestamp. False: it is computed from the number of frames per second.
    """

    timestamp: float
    retrieve: Callable[[], Frame]
    fps: float
    frame_count: int
    timed: bool = True


def lazy_frames(path: str | Path, fps: float | None) -> Generator[LazyFrame, None, None]:
    """Yield the frames of a clip. Arguments and errors as in ``edgeshift.video.clips.read_video``."""
    path = Path(path)
    if fps is not None and not 0 < fps <= 1000:
        raise VideoError(f"cannot read {path} at {fps} frames per second: give a number above 0, at most 1000")
    return _folder(path, fps or FALLBACK_FPS) if path.is_dir() else _file(path, fps)


def opencv_path(path: Path) -> str:
    """Return a path for OpenCV. It is absolute, because OpenCV would treat "http:clip.mp4" as an address.

    Raises:
        VideoError: the name is not UTF-8, which would crash OpenCV.
    """
    name = str(path.absolute())
    try:
        name.encode()
    except UnicodeEncodeError as error:
        readable = name.encode(errors="backslashreplace").decode()
        raise VideoError(f"{readable}: the name is not UTF-8, which OpenCV cannot read; rename it") from error
    return name


def _file(path: Path, given_fps: float | None) -> Generator[LazyFrame, None, None]:
    raw = is_raw(_require_video(path), path.suffix)
    cv2 = opencv("reading video")
    backend = cv2.CAP_FFMPEG if cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG) else cv2.CAP_ANY
    capture = cv2.VideoCapture(opencv_path(path), backend)
    try:
        if not capture.isOpened():
            if codec := undecodable(path):
                raise VideoError(f"{path}: {codec}")
            raise VideoError(
                f"{path} holds no video that OpenCV can open: it is damaged, incomplete or has an unknown codec; "
                "copy it again, or convert it to H.264 in .mp4"
            )
        _require_size(path, capture.get(cv2.CAP_PROP_FRAME_HEIGHT), capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        rate = capture.get(cv2.CAP_PROP_FPS)
        fps = rate if 0 < rate <= 1000 else FALLBACK_FPS
        if raw:
            fps = given_fps or fps
        frame_count = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        retrieve = partial(_retrieve, cv2, capture, path)
        decoded, missed, lost, start, time, known_time, known_at = 0, 0, 0, None, -math.inf, 0.0, 0
        while True:
            if not capture.grab():
                # A damaged part, or the end. Some containers state more frames than a player shows.
                missed += 1
                if missed > MISSES or decoded + lost + missed > frame_count:
                    break
                continue
            lost, missed = lost + missed, 0
            container_time = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if start is None:
                start = container_time if math.isfinite(container_time) else 0.0
            container_time -= start  # the clock of a part that was cut out of a recording may go on
            timed = math.isfinite(container_time) and container_time > time and not raw
            if timed:
                time, known_time, known_at = container_time, container_time, decoded
            else:  # The container has no usable time: continue from the last one at the frame rate.
                time = known_time + (decoded - known_at) / (given_fps or fps)
            decoded += 1
            yield LazyFrame(time, retrieve, fps, frame_count, timed)
    finally:
        capture.release()
    if decoded == 0:
        if codec := undecodable(path):
            raise VideoError(f"{path}: {codec}")
        raise VideoError(f"{path} holds no frame that can be decoded; copy or convert it again")
    if decoded < frame_count / 2 and is_cut_short(path):
        raise VideoError(f"{path} is cut short: {decoded} of {frame_count} frames can be decoded; copy it again")
    if lost:
        warnings.warn(
            f"{path}: {lost} of {decoded + lost} frames are damaged and were skipped", VideoWarning, stacklevel=2
        )
    if known_at == 0 and decoded > 1 and not raw and given_fps is None:
        warnings.warn(
            f"{path}: its frames have no times: {fps:g} frames per second are assumed; give others with --fps",
            VideoWarning,
            stacklevel=2,
        )


def _folder(path: Path, fps: float) -> Generator[LazyFrame, None, None]:
    files = frame_files(path)
    cv2 = opencv("reading images")
    shapes: dict[tuple[int, ...], Path] = {}

    def read(file: Path) -> Frame:
        frame = _read_image(cv2, file)
        shapes.setdefault(frame.shape, file)
        if len(shapes) > 1:
            (first, earlier), (second, _) = shapes.items()
            raise VideoError(
                f"{file} is {second[1]}x{second[0]}, and {earlier.name} in the same folder is {first[1]}x{first[0]}: "
                "the frames of a clip have one size"
            )
        return frame

    for index, file in enumerate(files):
        yield LazyFrame(index / fps, partial(read, file), fps, len(files), timed=False)


def _retrieve(cv2: Any, capture: Any, path: Path) -> Frame:
    ok, image = capture.retrieve()
    if not ok or image is None:
        raise VideoError(f"{path}: a frame cannot be decoded; copy or convert the file again")
    return _rgb(cv2, image, path)


def _read_image(cv2: Any, path: Path) -> Frame:
    try:
        data = read_file(path, MAX_IMAGE_BYTES, VideoError)
        # OpenCV fills the missing part of a JPEG with grey without an error, so look for the end marker.
        complete = not data.startswith(b"\xff\xd8") or data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data and complete else None
    except (VideoError, cv2.error):  # cv2.error: the image exceeds a limit of OpenCV
        image = None
    if image is None:
        raise VideoError(
            f"{path} is not a complete image that OpenCV can read; replace it or remove it from the folder"
        )
    return _rgb(cv2, image, path)


def _rgb(cv2: Any, image: Frame, path: Path) -> Frame:
    _require_size(path, *image.shape[:2])
    frame: Frame = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return frame


def _require_size(path: Path, height: float, width: float) -> None:
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        raise VideoError(f"{path} has frames of {width:.0f}x{height:.0f}; edgeshift reads at most {MAX_SIDE} per side")


def _require_video(path: Path) -> bytes:
    """Return the first bytes of a file.

    Raises:
        VideoError: the file is text. FFmpeg would open the files of a playlist, and render other text as pictures.
    """
    if not path.is_file():
        raise VideoError(f"{path} {'is neither a file nor a folder of images' if path.exists() else 'does not exist'}")
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise VideoError(f"{path} cannot be read: {error.strerror or error}") from error
    if not head:
        raise VideoError(f"{path} is empty; copy it again")
    is_text = all(byte >= 0x20 or byte in b"\t\n\f\r" for byte in head)
    if is_text or head.lstrip().startswith((b"#EXTM3U", b"ffconcat")):
        raise VideoError(f"{path} is a text file or a playlist, not a video; give the video file itself")
    return head
