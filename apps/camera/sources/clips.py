"""Clips: video files, folders of images, and the stream of gestures that edgeshift draws."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from edgeshift.apps.camera.sources.live import describe_cameras
from edgeshift.errors import VideoError
from edgeshift.video.decode import LazyFrame, lazy_frames
from edgeshift.video.fit import Frame

#: Longest time between drawn frames that look like a video, seconds; an artifact's frame spacing may be longer.
WATCHABLE = 1 / 8


@dataclass(frozen=True)
class ClipSource:
    """A video file or a folder of images.

    Attributes:
        path: the file or folder.
        fps: frames per second of a folder; None: 25.
    """

    path: Path
    fps: float | None = None

    live = False

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    def open(self) -> ClipFeed:
        """Open the clip and read its first frame, so that a clip without frames is an error here."""
        if not self.path.exists():
            raise VideoError(
                f"{self.path} is no file, folder, camera number, /dev path, address or pipeline; {describe_cameras()}"
            )
        return ClipFeed(lazy_frames(self.path, self.fps))


@dataclass(frozen=True)
class DrawnSource:
    """A stream of gestures that edgeshift draws.

    Attributes:
        spacing: frame spacing of the artifact, seconds; None: the spacing that edgeshift trains with.
        watched: whether somebody watches the stream; then frames are also drawn between the due ones.
    """

    spacing: float | None = None
    watched: bool = False

    live = False
    name = "drawn"

    def open(self) -> ClipFeed:
        """Start the stream. Its frames are drawn one by one."""
        return ClipFeed(self._frames())

    def _frames(self) -> Generator[LazyFrame, None, None]:
        from edgeshift.gestures import SPACING
        from edgeshift.gestures.demo_stream import demo_stream

        spacing = self.spacing or SPACING
        if self.watched:
            # A whole number of frames per spacing, so that each due time has a frame.
            spacing /= max(1, round(spacing / WATCHABLE))
        for timed in demo_stream(spacing=spacing, size=240):
            yield LazyFrame(timed.timestamp, partial(np.asarray, timed.frame), 1 / spacing, 0)


class ClipFeed:
    """An open clip. The time of a frame counts from the start of the clip."""

    def __init__(self, clip: Generator[LazyFrame, None, None]) -> None:
        self._clip = clip
        self._first: LazyFrame | None = next(self._clip)
        self._last = self._first

    def grab(self) -> float | None:
        """Return the time of the next frame, seconds; None: the clip has ended."""
        frame, self._first = self._first or next(self._clip, None), None
        self._last = frame or self._last
        return None if frame is None else frame.timestamp

    def retrieve(self) -> Frame:
        """Return the frame that ``grab`` read, uint8 [H, W, 3] RGB."""
        return self._last.retrieve()

    def close(self) -> None:
        """Close the file."""
        self._clip.close()
