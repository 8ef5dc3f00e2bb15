"""Where frames come from: what a ``--source`` can say, and the one face of all of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgeshift.errors import VideoError
from edgeshift.video.fit import Frame, opencv

#: The stream that edgeshift draws itself.
DRAWN = "drawn"
#: Beginnings of addresses that FFmpeg opens.
SCHEMES = ("rtsp://", "rtsps://", "http://", "https://", "tcp://", "udp://", "srt://")
#: GStreamer pipelines of two boards, by name.
PIPELINES = {
    "jetson-csi": "nvarguscamerasrc sensor-id={number} ! video/x-raw(memory:NVMM),width={width},height={height},"
    "framerate={fps}/1 ! nvvidconv ! video/x-raw,format=BGRx",
    "libcamera": "libcamerasrc ! video/x-raw,width={width},height={height},framerate={fps}/1",
}
TURNS = (0, 90, 180, 270)


class Feed(Protocol):
    """An open source. For one thread."""

    def grab(self) -> float | None:
        """Wait for the next frame.

        Returns:
            Its time in seconds: of the clip, or of ``time.monotonic`` for what is live. None: there is no next frame.

        Raises:
            VideoError: the source is broken.
        """
        ...

    def retrieve(self) -> Frame:
        """The frame that ``grab`` found: uint8 [H, W, 3] RGB."""
        ...

    def close(self) -> None:
        """Let go of it; again is fine."""
        ...


class Source(Protocol):
    """What can be opened, and again when it was lost."""

    @property
    def name(self) -> str:
        """As people know it."""
        ...

    @property
    def live(self) -> bool:
        """Whether it has no end, and goes on whether or not anybody looks."""
        ...

    def open(self) -> Feed:
        """Open it.

        Raises:
            VideoError: one line that says what was tried and what there is.
        """
        ...


@dataclass(frozen=True)
class Wish:
    """What is asked of a camera; it may give something else. Pixels, and frames per second."""

    width: int = 640
    height: int = 480
    fps: int = 30

    @classmethod
    def parse(cls, text: str) -> Wish:
        """Read "640x480" or "640x480@30".

        Raises:
            VideoError: something else.
        """
        found = re.fullmatch(r"(\d{2,4})x(\d{2,4})(?:@(\d{1,3}))?", text.strip())
        if not found or not all(int(part) for part in found.groups() if part):
            raise VideoError(f"{text!r} is not a picture size with a rate: write it as in 640x480@30")
        return cls(int(found[1]), int(found[2]), int(found[3] or cls.fps))


@dataclass(frozen=True)
class Orientation:
    """How the camera is mounted. mirror: left and right swapped. turn: degrees clockwise, before mirroring."""

    mirror: bool = False
    turn: int = 0

    def __call__(self, frame: Frame) -> Frame:
        """The frame as it should be seen; the same array where nothing is to be done."""
        if not self.turn and not self.mirror:
            return frame
        cv2 = opencv("turning frames")
        if self.turn:
            how = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
            frame = cv2.rotate(frame, how[self.turn])
        return cv2.flip(frame, 1) if self.mirror else frame


def find_source(
    text: str, wish: Wish | None = None, *, fps: float | None = None, spacing: float | None = None
) -> Source:
    """The source that a text means. Nothing is opened yet.

    Args:
        text: "drawn"; a camera's number or ``/dev/...``; an address (rtsp://, http://, tcp://, udp://, srt://); a
            GStreamer pipeline (with " ! "), ``jetson-csi``, ``jetson-csi:1`` or ``libcamera``; a video file or a
            folder of images.
        wish: what is asked of a camera. fps: of a folder of images. spacing: seconds between drawn frames.
    """
    from edgeshift.apps.camera.sources.clips import ClipSource, DrawnSource
    from edgeshift.apps.camera.sources.opencv import Address, Camera, Pipeline

    wish = wish or Wish()
    name, _, number = text.partition(":")
    if text == DRAWN:
        return DrawnSource(spacing)
    if text.isdecimal() or text.startswith("/dev/"):
        return Camera(text, wish)
    if name in PIPELINES and number and "{number}" not in PIPELINES[name]:
        raise VideoError(
            f"{text}: {name} is the first camera and takes no number; name another in a pipeline of your own, as in "
            '"libcamerasrc camera-name=NAME ! video/x-raw,width=640,height=480"'
        )
    if name in PIPELINES and (not number or number.isdecimal()):
        filled = PIPELINES[name].format(number=number or 0, width=wish.width, height=wish.height, fps=wish.fps)
        return Pipeline(text, filled)
    if text.startswith(SCHEMES):
        return Address(text)
    if " ! " in text:
        return Pipeline(text, text)
    return ClipSource(Path(text), fps)
