"""Calibration samples for int8: frames together with the states that the float step has when it gets them.

Calibration on single frames would see no states but zeros. Here the float step runs over each clip, and samples are
taken at the first frame (zero states) and at random later ones. MoViNet's stream models are calibrated in the same way.

In clip mode, a sample is a window of a clip.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.spec import CLIP, FRAME
from edgeshift.errors import CalibrationError, CheckpointError, VideoError, VideoWarning
from edgeshift.gestures.fitted_clips import FRAMES, PACED_FRAMES
from edgeshift.models.network import Exportable
from edgeshift.sound.picture import Picture
from edgeshift.stream import Array
from edgeshift.stream.parity import MIN_FRAMES
from edgeshift.video.clip_files import find_clips
from edgeshift.video.clips import TimedFrame, paced, uniform
from edgeshift.video.fit import Frame, FrameSpec, fit_frame

MIN_CLIPS = 16
#: Number of videos that are chosen from a folder with more of them.
DEFAULT_CLIPS = 128
#: Samples per clip: the first frame and random later ones.
PER_CLIP = 3
#: Largest number of samples, and of bytes that they take, as long as there are ``MIN_CLIPS * PER_CLIP`` samples.
MAX_SAMPLES, MAX_BYTES = DEFAULT_CLIPS * PER_CLIP, 1 << 30
#: Number of videos in which frames for the parity check are looked for.
PARITY_VIDEOS = 32


class Clips(Protocol):
    """Calibration clips."""

    @property
    def source(self) -> str:
        """Origin of the clips, in words. It is complete after an iteration."""
        ...

    @property
    def total(self) -> int | None:
        """Number of clips that these were chosen from; None: they were not chosen."""
        ...

    def __len__(self) -> int:
        """Return the number of clips."""
        ...

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield the clips, uint8 [T, height, width, 3] each."""
        ...


@dataclass(frozen=True)
class Chosen:
    """The videos of a folder that calibration uses.

    Attributes:
        folder: the folder.
        videos: the chosen videos, sorted by path. A video may also be a folder of frames.
        spares: further videos, which take the place of videos that cannot be read.
        total: number of videos in the folder.
    """

    folder: Path
    videos: tuple[Path, ...]
    spares: tuple[Path, ...]
    total: int


def choose_videos(folder: Path, count: int = DEFAULT_CLIPS, seed: int = 0) -> Chosen:
    """Choose videos below a folder at random.

    Args:
        folder: the folder; its sub-folders are searched, too.
        count: number of videos; a folder with fewer videos gives all of them.
        seed: another seed chooses other videos.

    Raises:
        CalibrationError: the folder does not exist, or holds fewer than ``MIN_CLIPS`` videos.
        VideoError: a folder cannot be read.
    """
    require_folder(folder, f"--calibration takes a folder with {MIN_CLIPS} videos or more")
    found = find_clips(folder).clips
    if len(found) < MIN_CLIPS:
        raise CalibrationError(
            f"{folder}: {len(found)} videos, and calibration needs {MIN_CLIPS} or more, as files or as folders of "
            "frames; with --calibration drawn, edgeshift draws clips of gestures itself"
        )
    order = np.random.default_rng(seed).permutation(len(found))[: 2 * count].tolist()
    return Chosen(
        folder, tuple(found[i] for i in sorted(order[:count])), tuple(found[i] for i in order[count:]), len(found)
    )


def require_folder(folder: Path, remedy: str) -> None:
    """Raise CalibrationError if there is no such folder."""
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "there is no such folder"
        raise CalibrationError(f"{folder}: {what}; {remedy}")


class VideoClips:
    """A clip from each of the chosen videos. A clip is read when it is needed, so that one is in memory at a time.

    A video that cannot be read is replaced by one that was not chosen, or left out, with a ``VideoWarning``.

    Args:
        chosen: the videos.
        spec: how frames are fitted.
        spacing: frame spacing in seconds: a clip is the first ``PACED_FRAMES`` frames at this spacing. None: a clip is
            ``frames`` frames spread evenly over the video.
        fps: frames per second of clips without times.
        frames: number of frames that an artifact in clip mode takes. A clip has at least as many.
    """

    def __init__(
        self,
        chosen: Chosen,
        spec: FrameSpec,
        *,
        spacing: float | None = None,
        fps: float | None = None,
        frames: int = FRAMES,
    ) -> None:
        self._chosen, self._spec, self._spacing, self._fps, self._frames = chosen, spec, spacing, fps, frames
        self._read = len(chosen.videos)

    @property
    def source(self) -> str:
        """The number of videos that were read, and the name of their folder."""
        of = "" if self._read == self._chosen.total else f" of {self._chosen.total:,}"
        return f"{self._read}{of} videos in {self._chosen.folder.absolute().name}"

    @property
    def total(self) -> int:
        """Number of videos in the folder."""
        return self._chosen.total

    def __len__(self) -> int:
        """Return the number of chosen videos."""
        return len(self._chosen.videos)

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield the clips, uint8 [T, height, width, 3] each.

        Raises:
            CalibrationError: fewer than ``MIN_CLIPS`` videos can be read.
        """
        self._read, spares = 0, iter(self._chosen.spares)
        unread: list[str] = []
        for video in self._chosen.videos:
            candidate: Path | None = video
            while candidate is not None:
                try:
                    clip = self._clip(candidate)
                except VideoError as error:
                    unread.append(str(error))
                    warnings.warn(f"not used for calibration: {error}", VideoWarning, stacklevel=2)
                    candidate = next(spares, None)
                else:
                    self._read += 1
                    yield clip
                    break
        if self._read < MIN_CLIPS:
            raise CalibrationError(
                f"{self._chosen.folder}: {self._read} videos can be read, and calibration needs {MIN_CLIPS}; "
                f"the first problem is {unread[0]}"
            )

    def held_out(self, count: int = MIN_FRAMES) -> list[Frame] | None:
        """Read frames that calibration does not use, for the parity check: ``FRAMES`` from each of a few videos.

        Returns:
            ``count`` frames or a few more; None: too few of the first ``PARITY_VIDEOS`` videos have enough frames.
        """
        frames: list[Frame] = []
        for video in self._chosen.videos[:PARITY_VIDEOS]:
            try:
                frames += self._others(video)
            except VideoError:
                continue  # the iteration over the clips warns about it
            if len(frames) >= count:
                return frames
        return None

    def _others(self, video: Path) -> list[Frame]:
        """Return ``FRAMES`` frames of a video that are not in its clip; none if it has too few."""
        candidates = uniform(video, 2 * FRAMES, fps=self._fps, convert=self._fit)
        taken = {timed.timestamp for timed in self._timed(video)}
        others = [timed for timed in candidates if timed.timestamp not in taken]
        enough = len({timed.timestamp for timed in others}) >= FRAMES
        return [timed.frame for timed in others[:FRAMES]] if enough else []

    def _clip(self, video: Path) -> npt.NDArray[np.uint8]:
        return np.stack([timed.frame for timed in self._timed(video)])

    def _timed(self, video: Path) -> list[TimedFrame]:
        if self._spacing is None:
            return uniform(video, self._frames, fps=self._fps, convert=self._fit)
        frames = islice(paced(video, self._spacing, fps=self._fps), max(PACED_FRAMES, self._frames))
        return [TimedFrame(self._fit(timed.frame), timed.timestamp) for timed in frames]

    def _fit(self, frame: Frame) -> Frame:
        return fit_frame(frame, self._spec)


def sample_limit(step: Exportable) -> int:
    """Return the largest number of samples of a step: ``MAX_SAMPLES``, or as many as ``MAX_BYTES`` can hold."""
    size = step.network.config.size
    values = step.pictures * 3 * size * size + sum(state.numel() for state in step.start())
    fitting = MAX_BYTES // (4 * values)
    return min(MAX_SAMPLES, max(fitting, MIN_CLIPS * PER_CLIP))


def share(index: int, clips: int, limit: int) -> int:
    """Return the number of samples from clip ``index``: ``PER_CLIP``, or fewer so that all have ``limit`` in all."""
    total = min(limit, clips * PER_CLIP)
    return (index + 1) * total // clips - index * total // clips


def samples_of(step: Exportable, clip: npt.NDArray[np.uint8], count: int = PER_CLIP) -> Iterator[dict[str, Array]]:
    """Yield calibration samples from one clip: frames with their states for a step, windows for a clip function.

    Args:
        step: the step or clip function, in evaluation mode.
        clip: uint8 [T, H, W, 3]. The sum of its pixels is the seed for the choice of frames and windows.
        count: largest number of samples.

    Raises:
        CalibrationError: the clip has fewer frames than the clip function takes.
    """
    return roll(step, [clip], count) if step.frames == 1 else _windows(step.frames, clip, count)


def _windows(frames: int, clip: npt.NDArray[np.uint8], count: int) -> Iterator[dict[str, Array]]:
    """Yield {"clip": float32 [frames, H, W, 3] valued 0 to 255} for the first window, and for random other ones."""
    starts = len(clip) - frames + 1
    if starts < 1:
        raise CalibrationError(f"a calibration clip has {len(clip)} frames; clips of {frames} are converted: give more")
    random = np.random.default_rng(int(clip.sum()))
    others = random.permutation(starts - 1).tolist()
    for start in [0, *(1 + other for other in others)][:count]:
        yield {CLIP: clip[start : start + frames].astype(np.float32)}


def sound_samples(step: Exportable, pictures: Sequence[Picture]) -> Iterator[dict[str, Array]]:
    """Yield a calibration sample of a step for each picture of a sound, [H, W, 3]: the picture and the start states."""
    states = dict(zip(step.state_names, map(_channels_last, step.start()), strict=True))
    for picture in pictures:
        yield {FRAME: picture[None].astype(np.float32), **states}


def with_sounds(samples: Sequence[dict[str, Array]], pictures: Sequence[Picture]) -> list[dict[str, Array]]:
    """Return the calibration samples of a clip function with a sound segment: each window, with a sound behind it.

    Args:
        samples: windows (``samples_of``).
        pictures: pictures of sounds, [H, W, 3]. If there are fewer than windows, they are used again.
    """
    return [
        {CLIP: np.concatenate((sample[CLIP], pictures[index % len(pictures)][None].astype(np.float32)))}
        for index, sample in enumerate(samples)
    ]


def roll(
    step: Exportable, clips: Sequence[npt.NDArray[np.uint8]], per_clip: int = PER_CLIP
) -> Iterator[dict[str, Array]]:
    """Run the float step over each clip, starting from zero states, and yield calibration samples.

    Args:
        step: the step, in evaluation mode.
        clips: uint8 [T, H, W, 3] each. The sum of a clip's pixels is the seed for the choice of its frames.
        per_clip: samples per clip: the first frame and random later ones. A single sample is any frame.

    Yields:
        ``per_clip`` samples per clip: {"frame": float32 [1, H, W, 3] valued 0 to 255, state name: float32}, channels
        last. A sample holds a frame and the states before it.
    """
    import torch

    for clip in clips if per_clip else ():
        random = np.random.default_rng(int(clip.sum()))
        if per_clip == 1:
            chosen = {int(random.integers(len(clip)))}
        else:
            later = 1 + random.choice(len(clip) - 1, min(per_clip - 1, len(clip) - 1), replace=False)
            chosen = {0, *later.tolist()}
        states = step.start()
        for t, frame in enumerate(clip[: max(chosen) + 1]):
            pixels = frame[None].astype(np.float32)
            if t in chosen:
                yield {FRAME: pixels, **dict(zip(step.state_names, map(_channels_last, states), strict=True))}
            with torch.inference_mode():
                _, *states = step(torch.from_numpy(pixels).permute(0, 3, 1, 2), *states)


def require_finite(step: Exportable, size: int, source: str) -> None:
    """Check that every layer gives finite values for a black, a white and a random frame.

    Args:
        step: the step, in evaluation mode.
        size: height and width of the frames, pixels.
        source: where the weights come from, for the error message.

    Raises:
        CheckpointError: a layer gives NaN or infinity.
    """
    import torch

    step = copy.deepcopy(step)  # running a step with buffers changes them
    bad: list[str] = []

    def check(name: str, outputs: object) -> None:
        for output in outputs if isinstance(outputs, tuple) else (outputs,):
            if isinstance(output, torch.Tensor) and not bool(torch.isfinite(output).all()):
                bad.append(name)

    states = step.start()  # before the hooks: measuring the shapes of the states runs the network without values
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, outputs, name=name: check(name, outputs))
        for name, module in step.named_modules()
    ]
    noise = torch.randint(256, (step.pictures, 3, size, size), generator=torch.Generator().manual_seed(0)).float()
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
