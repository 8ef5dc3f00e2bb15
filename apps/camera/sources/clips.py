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

#: Longest seconds between drawn frames that are watched: a frame every 0.25 s would not look like video.
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
        """Open the clip and decode its first frame, so that errors come now."""
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
        watched: draw whole numbers of frames in each spacing, so that the stream can be watched.
    """

    spacing: float | None = None
    watched: bool = False

    live = False
    name = "drawn"

    def open(self) -> ClipFeed:
        """Draw the stream."""
        return ClipFeed(self._frames())

    def _frames(self) -> Generator[LazyFrame, None, None]:
        from edgeshift.gestures import SPACING
        from edgeshift.gestures.demo_stream import demo_stream

        spacing = self.spacing or SPACING
        if self.watched:
            # A whole number of frames per spacing, so that one frame comes exactly when it is due.
            spacing /= max(1, round(spacing / WATCHABLE))
        for timed in demo_stream(spacing=spacing, size=240):
            yield LazyFrame(timed.timestamp, partial(np.asarray, timed.frame), 1 / spacing, 0)


class ClipFeed:
    """An open clip. Frames have their times in the clip."""

    def __init__(self, clip: Generator[LazyFrame, None, None]) -> None:
        self._clip = clip
        self._first: LazyFrame | None = next(self._clip)
        self._grab = self._first

    def grab(self) -> float | None:
        """Return the time of the next frame; None: the clip has ended."""
        grab, self._first = self._first or next(self._clip, None), None
        self._grab = grab or self._grab
        return None if grab is None else grab.timestamp

    def retrieve(self) -> Frame:
        """Return the frame that ``grab`` found."""
        return self._grab.retrieve()

    def close(self) -> None:
        """Close the file."""
        self._clip.close()
