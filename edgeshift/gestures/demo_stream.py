"""The drawn stream that the demo shows if no camera and no clip is given."""

from __future__ import annotations

from collections.abc import Iterator

from edgeshift.gestures.draw import SPACING, draw_stream
from edgeshift.gestures.script import parse_script
from edgeshift.video.clips import TimedFrame

#: The actions of the hand, as a script for ``edgeshift.gestures.parse_script``.
SCRIPT = (
    "left 2, pause 1.5, circle 3, away 1, up 1.5, pause 1.5, square 4, away 1, tick 2, pause 1.5, right 1.5, away 2"
)
#: The shipped weights were not trained on the stream of this seed.
SEED = 960_000_003


def demo_stream(
    script: str = SCRIPT, seed: int = SEED, size: int = 240, spacing: float | None = None
) -> Iterator[TimedFrame]:
    """Yield the frames of a drawn stream in which a hand follows a script.

    Args:
        script: the actions of the hand and their seconds (``edgeshift.gestures.parse_script``).
        seed: each seed gives another hand and background.
        size: height and width of the frames, pixels.
        spacing: seconds between frames; None: the frame spacing of edgeshift's training.
    """
    drawn = draw_stream(seed, parse_script(script), size=size, spacing=spacing or SPACING)
    for index, frame in enumerate(drawn.frames):
        yield TimedFrame(frame, index * drawn.spacing)
