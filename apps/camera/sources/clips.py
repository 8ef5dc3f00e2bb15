"""Sources that end: a video file, a folder of images, the drawn stream."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgeshift.apps.camera.sources.v4l import cameras_in_words
from edgeshift.errors import VideoError
from edgeshift.video.decode import Grab, grabs
from edgeshift.video.fit import Frame

#: Drawn frames come at least this often where somebody watches, seconds: a picture every 0.25 s is no video.
WATCHABLE = 1 / 8


@dataclass(frozen=True)
class ClipSource:
    """A video file or a folder of images. fps: of a folder."""

    path: Path
    fps: float | None = None

    live = False

    @property
    def name(self) -> str:
        """The file's name."""
        return str(self.path)

    def open(self) -> ClipFeed:
        """Decode the first frame, so that what is no clip is found now."""
        if not self.path.exists():
            raise VideoError(
                f"{self.path} is no file, folder, camera number, /dev path, address or pipeline; {cameras_in_words()}"
            )
        return ClipFeed(grabs(self.path, self.fps))


@dataclass(frozen=True)
class DrawnSource:
    """Gestures that edgeshift draws. spacing: seconds between frames at most; None: as it trains with."""

    spacing: float | None = None
    watched: bool = True

    live = False
    name = "drawn"

    def open(self) -> ClipFeed:
        """Draw them all."""
        return ClipFeed(self._grabs())

    def _grabs(self) -> Generator[Grab, None, None]:
        from edgeshift.gestures import SPACING
        from edgeshift.gestures.demo_stream import demo_stream

        spacing = self.spacing or SPACING
        if self.watched:
            # A whole number of frames in each trained spacing: the due ones come when they are due.
            spacing /= max(1, round(spacing / WATCHABLE))
        for timed in demo_stream(spacing=spacing, size=240):
            yield Grab(timed.timestamp, partial(_same, timed.frame), 1 / spacing, 0)


class ClipFeed:
    """An open clip. Frames have the clip's own times."""

    def __init__(self, clip: Generator[Grab, None, None]) -> None:
        self._clip = clip
        # The first grab is made ahead: errors come when it is opened, not from a thread.
        self._ahead: Grab | None = next(self._clip)
        self._grab = self._ahead

    def grab(self) -> float | None:
        """The next frame's time; None: the clip has ended."""
        grab, self._ahead = self._ahead or next(self._clip, None), None
        if grab is None:
            return None
        self._grab = grab
        return grab.timestamp

    def retrieve(self) -> Frame:
        """Convert the frame that ``grab`` found."""
        return self._grab.retrieve()

    def close(self) -> None:
        """Close the file."""
        self._clip.close()


def _same(frame: Frame) -> Frame:
    return frame
