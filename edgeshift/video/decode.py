"""The frames of a video file or image folder, each decoded but only converted to an array when it is wanted.

A path is always a file or a folder of this machine, never an address, a device or a playlist.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgeshift.errors import VideoError
from edgeshift.video.fit import Frame, opencv

MAX_SIDE = 8192
FALLBACK_FPS = 25.0  # for image folders, and for files that carry neither times nor a rate
IMAGES = {".jpg", ".jpeg", ".png"}


class Grab(NamedTuple):
    """One frame not yet converted. announced: the container's number of frames, 0 where it does not tell."""

    timestamp: float
    retrieve: Callable[[], Frame]
    fps: float
    announced: int


def grabs(path: str | Path, fps: float | None) -> Generator[Grab, None, None]:
    """The frames of a video file or image folder. Arguments and errors as in ``edgeshift.video.clips.read_video``."""
    path = Path(path)
    if fps is not None and not 0 < fps <= 1000:
        raise VideoError(f"cannot read {path} at {fps} frames per second: give a number from 0 to 1000")
    return _folder(path, fps or FALLBACK_FPS) if path.is_dir() else _file(path, fps or FALLBACK_FPS)


def opencv_path(path: Path) -> str:
    """The path as OpenCV may have it: absolute, because it would take "http:clip.mp4" for an address.

    Raises:
        VideoError: a name that is not UTF-8, which crashes OpenCV.
    """
    name = str(path.absolute())
    try:
        name.encode()
    except UnicodeEncodeError as error:
        readable = name.encode(errors="backslashreplace").decode()
        raise VideoError(f"{readable}: OpenCV takes no name that is not UTF-8; rename it") from error
    return name


def _file(path: Path, fallback_fps: float) -> Generator[Grab, None, None]:
    _refuse_what_is_no_video(path)
    cv2 = opencv("reading video")
    backend = cv2.CAP_FFMPEG if cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG) else cv2.CAP_ANY
    capture = cv2.VideoCapture(opencv_path(path), backend)
    try:
        if not capture.isOpened():
            raise VideoError(
                f"{path} holds no video that OpenCV can open: it is damaged, cut short or of an unknown codec; "
                "copy it again, or convert it to H.264 in .mp4"
            )
        _refuse_size(path, capture.get(cv2.CAP_PROP_FRAME_HEIGHT), capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        rate = capture.get(cv2.CAP_PROP_FPS)
        fps = rate if 0 < rate <= 1000 else fallback_fps
        announced = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        retrieve = partial(_retrieve, cv2, capture, path)
        seen, time, trusted, trusted_at = 0, -math.inf, 0.0, 0
        while capture.grab():
            container_time = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if math.isfinite(container_time) and container_time > time:
                time, trusted, trusted_at = container_time, container_time, seen
            else:
                time = trusted + (seen - trusted_at) / fps
            seen += 1
            yield Grab(time, retrieve, fps, announced)
    finally:
        capture.release()
    if seen == 0:
        raise VideoError(f"{path} holds no frame that can be decoded; copy or convert it again")
    # Both, because a rate that varies makes some containers announce too many frames.
    if seen < announced / 2 and time < announced / fps / 2:
        raise VideoError(f"{path} breaks off: {seen} of {announced} frames can be decoded; copy it again")


def _folder(path: Path, fps: float) -> Generator[Grab, None, None]:
    names = sorted((file for file in path.iterdir() if file.suffix.lower() in IMAGES), key=_natural)
    if not names:
        raise VideoError(f"{path} holds no .jpg or .png files; give a video file, or a folder of frames")
    cv2 = opencv("reading images")
    for index, name in enumerate(names):
        yield Grab(index / fps, partial(_read_image, cv2, name), fps, len(names))


def _natural(path: Path) -> list[tuple[int, str]]:
    """A sort key that puts frame2 before frame10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def _retrieve(cv2: Any, capture: Any, path: Path) -> Frame:
    ok, image = capture.retrieve()
    if not ok or image is None:
        raise VideoError(f"{path}: a frame was found but cannot be converted; copy or convert the file again")
    return _rgb(cv2, image, path)


def _read_image(cv2: Any, path: Path) -> Frame:
    try:
        data = path.read_bytes()
        # OpenCV fills the rest of a JPEG that was cut short with grey and says nothing: look for its end marker.
        whole = not data.startswith(b"\xff\xd8") or data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data and whole else None
    except (OSError, cv2.error):  # cv2.error: larger than OpenCV's own limit
        image = None
    if image is None:
        raise VideoError(f"{path} is no whole image that OpenCV can read; replace it or take it out of the folder")
    return _rgb(cv2, image, path)


def _rgb(cv2: Any, image: Frame, path: Path) -> Frame:
    _refuse_size(path, *image.shape[:2])
    frame: Frame = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return frame


def _refuse_size(path: Path, height: float, width: float) -> None:
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        raise VideoError(f"{path} has frames of {width:.0f}x{height:.0f}; edgeshift reads up to {MAX_SIDE} a side")


def _refuse_what_is_no_video(path: Path) -> None:
    """Look before FFmpeg does: it would follow a playlist to other files, and draw a text as a picture."""
    if not path.exists():
        raise VideoError(f"{path} does not exist")
    if not path.is_file():
        raise VideoError(f"{path} is neither a file nor a folder of images")
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise VideoError(f"{path} cannot be read: {error.strerror or error}") from error
    if not head:
        raise VideoError(f"{path} is empty")
    is_text = all(byte >= 0x20 or byte in b"\t\n\f\r" for byte in head)
    if is_text or head.lstrip().startswith((b"#EXTM3U", b"ffconcat")):
        raise VideoError(f"{path} is a text or a playlist, not a video; give the video file itself")
