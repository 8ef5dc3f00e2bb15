"""Live sources, which OpenCV reads: cameras, GStreamer pipelines and network streams. Also lists the cameras."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from edgeshift._system.text import printable
from edgeshift.apps.camera.sources.base import CaptureRequest
from edgeshift.errors import EdgeshiftError, VideoError, install_command, one_line
from edgeshift.video.decode import MAX_SIDE
from edgeshift.video.fit import Frame, opencv

#: Seconds without a frame after which a camera counts as lost. By default OpenCV waits for 10 s, or without a limit.
TIMEOUT = 4
#: The sink for a pipeline without one. It keeps only the newest frame, and gives it in OpenCV's channel order.
SINK = "videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false"


@dataclass(frozen=True)
class Camera:
    """A camera of this machine.

    Attributes:
        name: its number, or a path below /dev. Paths in /dev/v4l/by-id stay the same after replugging.
        request: the frame size and rate that the camera is asked for.
    """

    name: str
    request: CaptureRequest

    live = True

    def open(self) -> LiveFeed:
        """Open the camera and ask it for the frame size and rate."""
        cv2 = opencv("opening a camera")
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(TIMEOUT))
        device = int(self.name) if self.name.isdecimal() else os.path.realpath(self.name)
        backend = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
        path = f"/dev/video{device}" if sys.platform == "linux" and isinstance(device, int) else self.name
        failure = f"camera {path} cannot be opened (missing, or in use by another program)"
        capture = _open_capture(cv2, device, backend, failure)
        if (self.request.width, self.request.height) != (640, 480):
            # Raw frames of large sizes exceed the bandwidth of USB 2 at full rate; motion JPEG does not.
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter_fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, self.request.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self.request.height)
        capture.set(cv2.CAP_PROP_FPS, self.request.fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return LiveFeed(cv2, capture, self.name)


@dataclass(frozen=True)
class Pipeline:
    """A GStreamer pipeline.

    Attributes:
        name: the text of ``--source``.
        pipeline: the pipeline, with or without a sink.
    """

    name: str
    pipeline: str

    live = True

    @property
    def with_sink(self) -> str:
        """The pipeline with its sink."""
        return self.pipeline if "appsink" in self.pipeline else f"{self.pipeline} ! {SINK}"

    def open(self) -> LiveFeed:
        """Start the pipeline."""
        cv2 = opencv("opening a pipeline")
        if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
            raise VideoError(
                f"{self.name} needs GStreamer, which OpenCV from pip does not contain: install the system's OpenCV "
                "(apt install python3-opencv), and use an environment made with --system-site-packages; "
                f"{describe_cameras()}"
            )
        failure = f"GStreamer cannot start {self.with_sink!r}: test the pipeline with gst-launch-1.0"
        return LiveFeed(cv2, _open_capture(cv2, self.with_sink, cv2.CAP_GSTREAMER, failure), self.name)


@dataclass(frozen=True)
class Address:
    """A network stream: RTSP, motion JPEG over HTTP, MPEG-TS or H.264 over TCP or UDP.

    Attributes:
        address: the address, which may hold a user name and a password.
    """

    address: str

    live = True

    @property
    def name(self) -> str:
        """The address without user name and password."""
        try:
            parts = urlsplit(self.address)
        except ValueError:  # for example an incomplete IPv6 address
            return self.address.partition("://")[0] + "://..."
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    def open(self) -> LiveFeed:
        """Connect to the stream."""
        cv2 = opencv("opening a stream")
        if not cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG):
            raise VideoError(
                f"{self.name} needs FFmpeg, but this OpenCV was built without it: {install_command('video')}"
            )
        timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIMEOUT * 1000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIMEOUT * 1000]
        failure = f"{self.name} did not answer with a video within {TIMEOUT} s: check the address"
        return LiveFeed(cv2, _open_capture(cv2, self.address, cv2.CAP_FFMPEG, failure, timeouts), self.name)


class LiveFeed:
    """An open ``cv2.VideoCapture``. The time of a frame is the time of its arrival."""

    def __init__(self, cv2: Any, capture: Any, name: str) -> None:
        self._cv2, self._capture, self._name = cv2, capture, name

    def grab(self) -> float | None:
        """Wait for the next frame and return its time, ``time.monotonic``; None: there are no more frames."""
        return monotonic() if self._capture.grab() else None

    def retrieve(self) -> Frame:
        """Return the frame that ``grab`` read, uint8 [H, W, 3] RGB.

        Raises:
            VideoError: this frame is damaged; the next one may be intact.
            EdgeshiftError: edgeshift cannot use any frame of this camera, because of their type or size.
        """
        try:
            ok, image = self._capture.retrieve()
        except self._cv2.error as error:
            raise VideoError(f"{self._name}: a frame cannot be converted: {one_line(error)}") from error
        if not ok or image is None or image.size == 0:
            raise VideoError(f"{self._name}: a frame cannot be decoded")
        if image.dtype != "uint8" or max(image.shape[:2]) > MAX_SIDE or image.ndim not in (2, 3):
            # Not a VideoError: opening the camera again would not help.
            kind = f"{image.dtype} {list(image.shape)}"
            limit = f"edgeshift takes uint8 frames of up to {MAX_SIDE} pixels per side"
            raise EdgeshiftError(f"{self._name} gives frames of {kind}; {limit}: choose another size with --capture")
        grey = image.ndim == 2 or image.shape[2] == 1  # for example from an infrared camera
        frame: Frame = self._cv2.cvtColor(image, self._cv2.COLOR_GRAY2RGB if grey else self._cv2.COLOR_BGR2RGB)
        return frame

    def close(self) -> None:
        """Release the camera."""
        self._capture.release()


def known_cameras(root: Path = Path("/")) -> list[tuple[str, str]]:
    """Return the path (such as ``/dev/video0``) and name of each video device of this machine, ordered by number.

    Many cameras have a second device for metadata. It is listed too, because both devices have the same name.
    ``root`` is the root of the file system; tests pass another folder.
    """
    paths = [path for path in (root / "dev").glob("video*") if path.name[5:].isdecimal()]
    return [
        (f"/dev/{path.name}", _name(root / "sys/class/video4linux" / path.name / "name"))
        for path in sorted(paths, key=lambda path: int(path.name[5:]))
    ]


def describe_cameras(root: Path = Path("/")) -> str:
    """Return a text that names the cameras of this machine, for the end of an error message."""
    if sys.platform != "linux":
        return "0 is the first camera"
    cameras = known_cameras(root)
    if not cameras:
        return "this machine has no camera (no /dev/video*)"
    return "cameras here: " + ", ".join(f"{path} ({name})" for path, name in cameras)


def _open_capture(cv2: Any, target: int | str, backend: int, failure: str, options: list[int] | None = None) -> Any:
    """Return an open ``cv2.VideoCapture``, or raise a VideoError that begins with ``failure``."""
    try:
        capture = cv2.VideoCapture(target, backend, options) if options else cv2.VideoCapture(target, backend)
        if capture.isOpened():
            return capture
        capture.release()
    except cv2.error:
        pass
    raise VideoError(f"{failure}; {describe_cameras()}")


def _name(path: Path) -> str:
    try:
        text = path.read_bytes()[:256].decode("utf-8", "replace")
    except OSError:
        return "no name"
    return printable(text.strip(), replacement="") or "no name"
