"""The interface of all sources, and the meaning of ``--source``, ``--capture``, ``--rotate`` and ``--mirror``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgeshift.errors import VideoError
from edgeshift.video.fit import Frame, opencv

#: Name of the stream that edgeshift draws itself.
DRAWN = "drawn"
#: Prefixes of the addresses that FFmpeg opens.
SCHEMES = ("rtsp://", "rtsps://", "http://", "https://", "tcp://", "udp://", "srt://")
#: GStreamer pipelines for the cameras of Jetson and Raspberry Pi, by the name that ``--source`` takes.
PIPELINES = {
    "jetson-csi": "nvarguscamerasrc sensor-id={number} ! video/x-raw(memory:NVMM),width={width},height={height},"
    "framerate={fps}/1 ! nvvidconv ! video/x-raw,format=BGRx",
    "libcamera": "libcamerasrc ! video/x-raw,width={width},height={height},framerate={fps}/1",
}


class Feed(Protocol):
    """An open source. Use it from one thread."""

    def grab(self) -> float | None:
        """Wait for the next frame.

        Returns:
            The frame's time, seconds: from the start of a clip, or on ``time.monotonic`` for a live source. None: there
            are no more frames.

        Raises:
            VideoError: the source cannot be read any more.
        """
        ...

    def retrieve(self) -> Frame:
        """Return the frame that ``grab`` read, uint8 [H, W, 3] RGB."""
        ...

    def close(self) -> None:
        """Close the source. May be called twice."""
        ...


class Source(Protocol):
    """A source of frames, which can be opened again after it was lost."""

    @property
    def name(self) -> str:
        """The source's name in messages, without passwords."""
        ...

    @property
    def live(self) -> bool:
        """Whether frames come in real time and without an end; False: a clip."""
        ...

    def open(self) -> Feed:
        """Open the source, or raise a VideoError that says which cameras exist."""
        ...


@dataclass(frozen=True)
class CaptureRequest:
    """The frame size and rate that a camera is asked for. The camera may deliver others.

    Attributes:
        width: pixels.
        height: pixels.
        fps: frames per second.
    """

    width: int = 640
    height: int = 480
    fps: int = 30

    @classmethod
    def parse(cls, text: str) -> CaptureRequest:
        """Read a request such as "640x480" or "640x480@30". Raise a VideoError for text of another form."""
        match = re.fullmatch(r"(\d{2,4})x(\d{2,4})(?:@(\d{1,3}))?", text.strip())
        if not match or not all(int(part) for part in match.groups() if part):
            raise VideoError(f"{text!r} is not a frame size with a rate: write WIDTHxHEIGHT@FPS, such as 640x480@30")
        return cls(int(match[1]), int(match[2]), int(match[3] or cls.fps))


@dataclass(frozen=True)
class Orientation:
    """How frames are rotated and mirrored, before they are fitted or shown.

    Attributes:
        mirror: swap left and right, after the rotation.
        turn: clockwise rotation, degrees: 0, 90, 180 or 270.
    """

    mirror: bool = False
    turn: int = 0

    def __call__(self, frame: Frame) -> Frame:
        """Return the rotated and mirrored frame; the same array if there is nothing to do."""
        if not self.turn and not self.mirror:
            return frame
        cv2 = opencv("rotating frames")
        if self.turn:
            code = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
            frame = cv2.rotate(frame, code[self.turn])
        return cv2.flip(frame, 1) if self.mirror else frame


def find_source(text: str, request: CaptureRequest | None = None, *, fps: float | None = None) -> Source:
    """Return the source that the text of ``--source`` names, without opening it.

    Args:
        text: "drawn"; a camera's number or ``/dev/...``; an address (rtsp://, http://, tcp://, udp://, srt://); a
            GStreamer pipeline (with " ! "), ``jetson-csi``, ``jetson-csi:1`` or ``libcamera``; a video file or a
            folder of images.
        request: the frame size and rate that a camera is asked for; None: the defaults of ``CaptureRequest``.
        fps: frames per second of a clip without times: a folder of images (None: 25) or a raw stream.

    Raises:
        VideoError: the text gives a number to ``libcamera``, which takes none.
    """
    from edgeshift.apps.camera.sources.clips import ClipSource, DrawnSource
    from edgeshift.apps.camera.sources.live import Address, Camera, Pipeline

    request = request or CaptureRequest()
    name, _, number = text.partition(":")
    if text == DRAWN:
        return DrawnSource()
    if text.isdecimal() or text.startswith("/dev/"):
        return Camera(text, request)
    if name in PIPELINES and number and "{number}" not in PIPELINES[name]:
        raise VideoError(
            f"{text}: {name} is the first camera and takes no number; for another camera give a pipeline, such as "
            '"libcamerasrc camera-name=NAME ! video/x-raw,width=640,height=480"'
        )
    if name in PIPELINES and (not number or number.isdecimal()):
        pipeline = PIPELINES[name].format(
            number=number or 0, width=request.width, height=request.height, fps=request.fps
        )
        return Pipeline(text, pipeline)
    if text.startswith(SCHEMES):
        return Address(text)
    if " ! " in text:
        return Pipeline(text, text)
    return ClipSource(Path(text), fps)


def takes_request(text: str) -> bool:
    """Whether the text of ``--source`` names a camera, which is asked for a frame size and rate."""
    return text.isdecimal() or text.startswith("/dev/") or text.partition(":")[0] in PIPELINES
