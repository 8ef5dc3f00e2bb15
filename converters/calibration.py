"""Calibration samples for int8: frames together with the states that the float step has when it gets them.

Calibration on single frames would see no states but zeros. Here the float step runs over each clip, and samples are
taken at the first frame (zero states) and at random later ones. MoViNet's stream models are calibrated in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import FRAME
from edgeshift.errors import CalibrationError, CheckpointError
from edgeshift.gestures.fitted_clips import FRAMES, PACED_FRAMES, FittedClips
from edgeshift.models.network import Step
from edgeshift.stream import Array
from edgeshift.video.clips import VIDEOS, paced, uniform
from edgeshift.video.fit import Frame, FrameSpec, fit_frame

MIN_CLIPS = 16
#: Samples per clip: the first frame and random later ones.
PER_CLIP = 3


def read_clips(
    folder: Path, spec: FrameSpec, advance: Callable[[], None] = lambda: None, *, spacing: float | None = None
) -> FittedClips:
    """Read one clip from every video below a folder.

    Args:
        folder: the folder; its sub-folders are searched, too.
        spec: how frames are fitted.
        advance: called after each video.
        spacing: frame spacing in seconds: a clip is the first ``PACED_FRAMES`` frames at this spacing. None: a clip is
            ``FRAMES`` frames spread evenly over the video.

    Raises:
        CalibrationError: there are fewer than ``MIN_CLIPS`` videos.
        VideoError: a video cannot be read. No video is skipped silently.
    """
    videos = find_videos(folder)
    clips = []
    for video in videos:
        timed = uniform(video, FRAMES) if spacing is None else islice(paced(video, spacing), PACED_FRAMES)
        clips.append(np.stack([fit_frame(frame.frame, spec) for frame in timed]))
        advance()
    return FittedClips(f"{len(videos)} videos in {folder.name}", tuple(clips))


def held_out(folder: Path, spec: FrameSpec, videos: int = 4, *, spacing: float | None = None) -> list[Frame] | None:
    """Read frames that ``read_clips`` does not use, for the parity check, from the first videos with enough frames.

    Args:
        folder: the folder of the calibration videos.
        spec: how frames are fitted.
        videos: number of videos. ``FRAMES`` frames are read from each.
        spacing: the frame spacing given to ``read_clips``.

    Returns:
        The frames; None: too few videos have ``FRAMES`` frames that ``read_clips`` does not use.
    """
    frames: list[Frame] = []
    for video in find_videos(folder):
        candidates = uniform(video, 2 * FRAMES)
        read = uniform(video, FRAMES) if spacing is None else islice(paced(video, spacing), PACED_FRAMES)
        taken = {timed.timestamp for timed in read}
        others = [timed for timed in candidates if timed.timestamp not in taken]
        if len({timed.timestamp for timed in others}) >= FRAMES:
            frames += [fit_frame(timed.frame, spec) for timed in others[:FRAMES]]
        if len(frames) == videos * FRAMES:
            return frames
    return None


def find_videos(folder: Path) -> list[Path]:
    """Return the videos below a folder, sorted by path.

    Raises:
        CalibrationError: the folder does not exist, or holds fewer than ``MIN_CLIPS`` videos.
    """
    if not folder.is_dir():
        raise CalibrationError(f"{folder}: not a folder; --calibration takes a folder with {MIN_CLIPS} videos or more")
    # A video that is still being written has a hidden name.
    paths = (p for p in folder.rglob("*") if p.suffix.lower() in VIDEOS and not p.name.startswith("."))
    videos = sorted(p for p in paths if p.is_file())
    if len(videos) < MIN_CLIPS:
        raise CalibrationError(
            f"{folder}: {len(videos)} videos, and calibration needs {MIN_CLIPS} or more; without --calibration, "
            "edgeshift draws clips itself"
        )
    return videos


def roll(step: Step, clips: Sequence[npt.NDArray[np.uint8]]) -> Iterator[dict[str, Array]]:
    """Run the float step over each clip, starting from zero states, and yield calibration samples.

    Args:
        step: the step, in evaluation mode.
        clips: uint8 [T, H, W, 3] each. The sum of a clip's pixels is the seed for the choice of its later frames.

    Yields:
        ``PER_CLIP`` samples per clip: {"frame": float32 [1, H, W, 3] valued 0 to 255, state name: float32}, channels
        last. A sample holds a frame and the states before it.
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


def require_finite(step: Step, source: str) -> None:
    """Check that every layer gives finite values for a black, a white and a random frame.

    Args:
        step: the step, in evaluation mode.
        source: where the weights come from, for the error message.

    Raises:
        CheckpointError: a layer gives NaN or infinity.
    """
    import torch

    size, bad = step.network.config.size, list[str]()

    def check(name: str, outputs: object) -> None:
        for output in outputs if isinstance(outputs, tuple) else (outputs,):
            if isinstance(output, torch.Tensor) and not bool(torch.isfinite(output).all()):
                bad.append(name)

    hooks = [
        module.register_forward_hook(lambda _module, _inputs, outputs, name=name: check(name, outputs))
        for name, module in step.named_modules()
    ]
    noise = torch.randint(256, (1, 3, size, size), generator=torch.Generator().manual_seed(0)).float()
    states = step.start()
    try:
        with torch.inference_mode():
            for frame in (torch.zeros_like(noise), torch.full_like(noise, 255), noise):
                _, *states = step(frame, *states)
    finally:
        for hook in hooks:
            hook.remove()
    if bad:
        raise CheckpointError(
            f"the network with the weights {source} computes NaN or infinity, first in {bad[0]}: the training has "
            "diverged or the file is damaged; save a checkpoint from before that"
        )


def _channels_last(state: object) -> Array:
    import torch

    assert isinstance(state, torch.Tensor)
    return np.ascontiguousarray((state.permute(0, 2, 3, 1) if state.ndim == 4 else state).numpy())
