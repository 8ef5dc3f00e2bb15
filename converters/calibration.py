"""Calibration through the state: the float step is rolled over clips, and the ranges are taken where it has been.

Calibrating a stream on single frames sees only the zero state. Here each sample is a frame together with the states
that the network really met before it: the first frame of every clip (the zero state) and some random later ones, as
MoViNet's stream models are calibrated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import FRAME
from edgeshift.errors import CalibrationError
from edgeshift.gestures.fitted_clips import FRAMES, PACED_FRAMES, FittedClips
from edgeshift.models.network import Step
from edgeshift.stream import Array
from edgeshift.video.clips import VIDEOS
from edgeshift.video.fit import Frame, FrameSpec, fit_frame

MIN_CLIPS = 16
#: Samples taken of each clip: the first frame and random later ones.
PER_CLIP = 3


def read_clips(
    folder: Path, spec: FrameSpec, advance: Callable[[], None] = lambda: None, *, spacing: float | None = None
) -> FittedClips:
    """Every video below a folder: its first ``PACED_FRAMES`` at this spacing (seconds), or ``FRAMES`` spread over it.

    Raises:
        CalibrationError: fewer than ``MIN_CLIPS`` videos.
        VideoError: a video that cannot be read; none is dropped silently.
    """
    from edgeshift.video.clips import paced, uniform

    videos = find_videos(folder)
    clips = []
    for video in videos:
        timed = uniform(video, FRAMES) if spacing is None else islice(paced(video, spacing), PACED_FRAMES)
        clips.append(np.stack([fit_frame(one.frame, spec) for one in timed]))
        advance()
    return FittedClips(f"{len(videos)} videos in {folder.name}", tuple(clips))


def held_out(folder: Path, spec: FrameSpec, videos: int = 4, *, spacing: float | None = None) -> list[Frame] | None:
    """Frames that ``read_clips`` does not take: ``FRAMES`` of each of the first videos that are long enough.

    Returns:
        None if too few videos have twice as many frames as are taken to calibrate.
    """
    from edgeshift.video.clips import paced, uniform

    found: list[Frame] = []
    for video in find_videos(folder):
        twice = uniform(video, 2 * FRAMES)
        read = uniform(video, FRAMES) if spacing is None else islice(paced(video, spacing), PACED_FRAMES)
        taken = {timed.timestamp for timed in read}
        others = [timed for timed in twice if timed.timestamp not in taken]
        if len({timed.timestamp for timed in others}) >= FRAMES:
            found += [fit_frame(timed.frame, spec) for timed in others[:FRAMES]]
        if len(found) == videos * FRAMES:
            return found
    return None


def find_videos(folder: Path) -> list[Path]:
    """The videos below a folder, sorted.

    Raises:
        CalibrationError: not a folder, or too few videos in it to calibrate with.
    """
    if not folder.is_dir():
        raise CalibrationError(f"{folder}: not a folder; --calibration takes a folder with {MIN_CLIPS} videos or more")
    # What is being written is hidden until it is whole.
    found = (p for p in folder.rglob("*") if p.suffix.lower() in VIDEOS and not p.name.startswith("."))
    videos = sorted(p for p in found if p.is_file())
    if len(videos) < MIN_CLIPS:
        raise CalibrationError(
            f"{folder}: {len(videos)} videos, and calibration needs {MIN_CLIPS} or more; without --calibration, "
            "generated clips are used"
        )
    return videos


def roll(step: Step, clips: Sequence[npt.NDArray[np.uint8]]) -> Iterator[dict[str, Array]]:
    """Roll the float step over each clip from the zero state and yield samples of what it meets.

    Args:
        step: in evaluation mode.
        clips: uint8 [T, H, W, 3] each. Which later frames are taken follows from the clip's pixels.

    Yields:
        {"frame": float32 [1, H, W, 3] valued 0 to 255, state name: float32, channels last}, ``PER_CLIP`` per clip.
    """
    import torch

    for clip in clips:
        random = np.random.default_rng(int(clip.sum()))
        later = 1 + random.choice(len(clip) - 1, min(PER_CLIP - 1, len(clip) - 1), replace=False)
        chosen = {0, *later.tolist()}
        states = step.start()
        for t, frame in enumerate(clip[: max(chosen) + 1]):
            pixels = frame[None].astype(np.float32)
            if t in chosen:
                yield {FRAME: pixels, **dict(zip(step.state_names, map(_channels_last, states), strict=True))}
            with torch.inference_mode():
                _, *states = step(torch.from_numpy(pixels).permute(0, 3, 1, 2), *states)


def _channels_last(state: object) -> Array:
    import torch

    assert isinstance(state, torch.Tensor)
    return np.ascontiguousarray((state.permute(0, 2, 3, 1) if state.ndim == 4 else state).numpy())
