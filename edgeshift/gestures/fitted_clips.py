"""Clips whose frames already have the size and channel order that a network takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeshift.gestures.draw import draw_clips, draw_stream
from edgeshift.video.fit import FrameSpec, fit_frame

#: Number of clips that are drawn by default.
DEFAULT_CLIPS = 32
#: Frames of a clip if the network's frame spacing is not known.
FRAMES = 8
#: Largest number of frames of a clip whose frames have the network's frame spacing.
PACED_FRAMES = 24


@dataclass(frozen=True)
class FittedClips:
    """Clips whose frames have the size and channel order that a network takes.

    Attributes:
        source: origin of the clips, in words. It is stored in the artifact.
        frames: the clips, uint8 [T, height, width, 3] each.
    """

    source: str
    frames: tuple[npt.NDArray[np.uint8], ...]

    total = None

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.frames)

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield the clips."""
        return iter(self.frames)


def drawn_clips(
    spec: FrameSpec,
    count: int = DEFAULT_CLIPS,
    seed: int = 1,
    *,
    spacing: float | None = None,
    frames: int = FRAMES,
) -> FittedClips:
    """Draw gestures and fit their frames to a network.

    Args:
        spec: size, fit and channel order of the frames.
        count: number of clips.
        seed: each seed gives other clips.
        spacing: the network's frame spacing, seconds. Each clip is a part of a drawn stream, with ``PACED_FRAMES``
            frames at this spacing. None: each clip is one gesture of ``FRAMES`` frames.
    """
    size = max(spec.height, spec.width)
    if spacing is None:
        clips = (clip.frames for clip in draw_clips(count, seed=seed, frames=frames, size=size))
        source = f"{count} drawn gesture clips, seed {seed}"
    else:
        seconds = max(PACED_FRAMES, frames) * spacing
        seeds = ((seed << 40) + index for index in range(count))
        clips = (draw_stream(each, seconds=seconds, spacing=spacing, size=size).frames for each in seeds)
        source = f"{count} drawn gesture streams, seed {seed}"
    return FittedClips(source, tuple(np.stack([fit_frame(frame, spec) for frame in clip]) for clip in clips))
