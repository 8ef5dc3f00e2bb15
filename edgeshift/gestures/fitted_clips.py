"""Clips whose frames already have the size and channel order that a network takes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeshift.gestures.draw import draw_clips, draw_stream
from edgeshift.video.fit import FrameSpec, fit_frame

#: FittedClips that are drawn by default, and frames of a clip whose frame spacing is not known.
DEFAULT_CLIPS, FRAMES = 32, 8
#: Frames of a clip, at most, when its frames come at the spacing the network was trained with.
PACED_FRAMES = 24


@dataclass(frozen=True)
class FittedClips:
    """FittedClips whose frames have the size and channel order that a network takes.

    Attributes:
        source: where the clips come from, in words that are stored in the artifact.
        frames: one uint8 array [T, height, width, 3] per clip.
    """

    source: str
    frames: tuple[npt.NDArray[np.uint8], ...]

    @property
    def sha256(self) -> str:
        """The hash of every pixel, as 64 hexadecimal digits."""
        digest = hashlib.sha256()
        for clip in self.frames:
            digest.update(clip.tobytes())
        return digest.hexdigest()


def drawn_clips(
    spec: FrameSpec, count: int = DEFAULT_CLIPS, seed: int = 1, *, spacing: float | None = None
) -> FittedClips:
    """Draw gestures and fit them to a network's frame.

    Args:
        spec: size, fit and channel order of the frames.
        count: number of clips.
        seed: each seed gives other clips.
        spacing: seconds between the frames the network was trained with. Given, each clip is a stream of
            ``PACED_FRAMES`` frames at that spacing. None: each clip is one gesture of ``FRAMES`` frames.
    """
    size = max(spec.height, spec.width)
    if spacing is None:
        clips = (clip.frames for clip in draw_clips(count, seed=seed, frames=FRAMES, size=size))
        source = f"{count} drawn gesture clips, seed {seed}"
    else:
        seconds = PACED_FRAMES * spacing
        seeds = ((seed << 40) + index for index in range(count))
        clips = (draw_stream(one, seconds=seconds, spacing=spacing, size=size).frames for one in seeds)
        source = f"{count} drawn gesture streams, seed {seed}"
    return FittedClips(source, tuple(np.stack([fit_frame(frame, spec) for frame in clip]) for clip in clips))
