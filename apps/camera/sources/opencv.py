"""Live sources through OpenCV: V4L2 cameras, GStreamer pipelines, addresses of streams."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from edgeshift.apps.camera.sources.base import Wish
from edgeshift.apps.camera.sources.v4l import cameras_in_words
from edgeshift.errors import EdgeshiftError, VideoError, one_line
from edgeshift.video.decode import MAX_SIDE
from edgeshift.video.fit import Frame, opencv

#: Seconds that a silent camera is waited for before it counts as lost; OpenCV's own is 10, or without end.
PATIENCE = 4
#: What a pipeline that does not end in a sink is given: the newest frame, as OpenCV wants it.
SINK = "videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false"


@dataclass(frozen=True)
class Camera:
    """A camera of this machine: its number, or a path below /dev (those in /dev/v4l/by-id survive replugging)."""

    name: str
    wish: Wish

    live = True

    def open(self) -> LiveFeed:
        """Open it and ask for the size and rate."""
        cv2 = opencv("opening a camera")
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(PATIENCE))
        which = int(self.name) if self.name.isdecimal() else os.path.realpath(self.name)
        backend = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
        capture = _capture(cv2, which, backend, [])
        if capture is None:
            tried = f"/dev/video{which}" if sys.platform == "linux" and isinstance(which, int) else self.name
            raise VideoError(f"camera {tried} cannot be opened (missing, or in use by another program); {_choice()}")
        if (self.wish.width, self.wish.height) != (640, 480):
            # Raw pictures of large sizes do not fit through USB 2 at full rate; motion JPEG does.
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter_fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, self.wish.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self.wish.height)
        capture.set(cv2.CAP_PROP_FPS, self.wish.fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return LiveFeed(cv2, capture, self.name)


@dataclass(frozen=True)
class Pipeline:
    """A GStreamer pipeline, as written or by its board's name."""

    name: str
    pipeline: str

    live = True

    @property
    def whole(self) -> str:
        """The pipeline with a sink."""
        return self.pipeline if "appsink" in self.pipeline else f"{self.pipeline} ! {SINK}"

    def open(self) -> LiveFeed:
        """Start it."""
        cv2 = opencv("opening a pipeline")
        if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
            raise VideoError(
                f"{self.name} needs GStreamer, which this OpenCV (as every one of pip's) is built without: use the "
                f"system's, apt install python3-opencv, in an environment made with --system-site-packages; {_choice()}"
            )
        capture = _capture(cv2, self.whole, cv2.CAP_GSTREAMER, [])
        if capture is None:
            raise VideoError(f"GStreamer cannot start {self.whole!r}: try it with gst-launch-1.0; {_choice()}")
        return LiveFeed(cv2, capture, self.name)


@dataclass(frozen=True)
class Address:
    """A stream of the network: RTSP, motion JPEG over HTTP, MPEG-TS or H.264 over TCP or UDP."""

    address: str

    live = True

    @property
    def name(self) -> str:
        """The address without a name and password."""
        try:
            parts = urlsplit(self.address)
        except ValueError:  # such as half an IPv6 address
            return self.address.partition("://")[0] + "://..."
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    def open(self) -> LiveFeed:
        """Connect."""
        cv2 = opencv("opening a stream")
        if not cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG):
            raise VideoError(f"{self.name} needs FFmpeg, which this OpenCV is built without")
        patience = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, PATIENCE * 1000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, PATIENCE * 1000]
        capture = _capture(cv2, self.address, cv2.CAP_FFMPEG, patience)
        if capture is None:
            raise VideoError(
                f"{self.name} did not answer with a video in {PATIENCE} s: is its address right? {_choice()}"
            )
        return LiveFeed(cv2, capture, self.name)


class LiveFeed:
    """An open ``cv2.VideoCapture``. Frames have the time at which they arrived."""

    def __init__(self, cv2: Any, capture: Any, name: str) -> None:
        self._cv2, self._capture, self._name = cv2, capture, name

    def grab(self) -> float | None:
        """Wait for the next frame; None: the camera is gone."""
        return monotonic() if self._capture.grab() else None

    def retrieve(self) -> Frame:
        """The frame, converted to RGB."""
        try:
            ok, image = self._capture.retrieve()
        except self._cv2.error as error:
            raise VideoError(f"{self._name}: a frame cannot be converted: {one_line(error)}") from error
        if not ok or image is None or image.size == 0:
            raise VideoError(f"{self._name}: a frame came that cannot be decoded")
        if image.dtype != "uint8" or max(image.shape[:2]) > MAX_SIDE or image.ndim not in (2, 3):
            # No frame of it will be of use, so it is not looked for again as a lost camera is: no VideoError.
            raise EdgeshiftError(
                f"{self._name} gives {image.dtype} {list(image.shape)}: ask for 8 bits and another size (--capture)"
            )
        grey = image.ndim == 2 or image.shape[2] == 1  # infrared cameras
        frame: Frame = self._cv2.cvtColor(image, self._cv2.COLOR_GRAY2RGB if grey else self._cv2.COLOR_BGR2RGB)
        return frame

    def close(self) -> None:
        """Release the camera."""
        self._capture.release()


def _capture(cv2: Any, what: int | str, backend: int, options: list[int]) -> Any:
    """An open capture; None: OpenCV cannot."""
    try:
        capture = cv2.VideoCapture(what, backend, options) if options else cv2.VideoCapture(what, backend)
    except cv2.error:
        return None
    if capture.isOpened():
        return capture
    capture.release()
    return None


def _choice() -> str:
    return cameras_in_words() if sys.platform == "linux" else "0 is the first camera"
