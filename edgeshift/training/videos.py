"""Training sequences made from recorded videos: a folder with one folder per label, or a CSV.

A trimmed clip has no time at which its gesture is complete. The gesture is assumed to fill the clip except for its last
part, ``TAIL``. A sequence joins several clips, because a stream does not reset the states between gestures either.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgeshift._system.files import add_contents
from edgeshift.artifact.description import NONE
from edgeshift.errors import EdgeshiftError, TrainingError
from edgeshift.gestures import Event
from edgeshift.training.clip_cache import CACHE, Pixels
from edgeshift.training.frame_targets import frame_targets
from edgeshift.training.sequences import Sequence
from edgeshift.video.clip_files import frame_files
from edgeshift.video.dataset import LabelledClip, read_dataset
from edgeshift.video.fit import FrameSpec, opencv

#: Share of a clip, at its end, in which the gesture is assumed to be complete.
TAIL = 0.15
#: Number of unreadable clips in a row that ends a run.
MAX_FAILURES = 20
#: The splits of a data set that are used. Others, such as "test", are ignored.
TRAIN, VALIDATION = "train", "val"
NO_VALIDATION = (
    "no clips for validation: a label needs seven clips, because every seventh one is taken; or choose the clips "
    "yourself, with folders named train and val, or with 'val' in the column split of a CSV file"
)
NO_TRAINING = "no clips for training: put clips into the folder train, or give some of them the split 'train'"
#: Seed of the order of the validation clips.
VALIDATION_ORDER_SEED = 0


@dataclass(frozen=True)
class LabelMap:
    """The labels of clips that are mirrored or played backwards. Clips of other labels are left as they are.

    Attributes:
        mirrored: {label: label of the mirrored clip}.
        reversed: {label: label of the clip played backwards}.
    """

    mirrored: Mapping[str, str]
    reversed: Mapping[str, str]


def find_videos(data: Path, fps: float | None = None) -> list[LabelledClip]:
    """Return the clips of a data set, each with its split: "train", "val", or another one.

    If the data set has no splits, every seventh clip of a label is for validation. ``fps`` is the number of frames per
    second of clips without times.

    Raises:
        VideoError: see ``edgeshift.video.dataset.read_dataset``.
        EdgeshiftError: ``fps`` is missing.
        TrainingError: there is only one label, or a clip is missing.
    """
    dataset = read_dataset(data, fps=fps)
    clips = dataset.clips
    for clip in clips:
        if not clip.path.exists():
            raise TrainingError(f"{data}: there is no clip {clip.name!r}: remove it from the list, or add the file")
    dataset.require_fps()
    labels = {clip.label for clip in clips}
    if len(labels) < 2:
        raise TrainingError(
            f"{data}: {len(clips)} videos of {len(labels)} labels; training needs two labels or more, in a folder of "
            "videos per label or a CSV (file,label[,split])"
        )
    if any(clip.split for clip in clips):
        return [replace(clip, split=clip.split or TRAIN) for clip in clips]
    counts: Counter[str] = Counter()
    divided = []
    for clip in clips:
        counts[clip.label] += 1
        divided.append(replace(clip, split=TRAIN if counts[clip.label] % 7 else VALIDATION))
    return divided


def labels_of(videos: list[LabelledClip]) -> tuple[str, ...]:
    """Return the labels in alphabetical order, with ``none`` last."""
    labels = {video.label for video in videos}
    return (*sorted(labels - {NONE}), *([NONE] if NONE in labels else []))


class VideoSequences:
    """Sequences of clips, each with a random tempo, crop and exposure. ``clips`` is the number of different clips.

    Args:
        videos: the clips to choose from.
        labels: one label per output of the network.
        frames: frames of a sequence.
        size: height and width of the frames, pixels.
        spacing: seconds between frames.
        seed: seed of the choice of clips and of their augmentation.
        changes: the labels of mirrored and reversed clips; None: clips are neither mirrored nor reversed.
        validation: use the clips without augmentation and from their first frame, with the labels in turn.

    Raises:
        TrainingError: there are no clips, or ``changes`` names unknown labels.
    """

    def __init__(
        self,
        videos: list[LabelledClip],
        labels: tuple[str, ...],
        frames: int,
        size: int,
        spacing: float,
        seed: int,
        *,
        changes: LabelMap | None = None,
        validation: bool = False,
    ) -> None:
        if not videos:
            raise TrainingError(NO_VALIDATION if validation else NO_TRAINING)
        self.labels, self._changes, self._validation = labels, changes, validation
        self._videos = interleave_labels(videos) if validation else videos
        self.clips = len(videos)
        self._frames, self._spec, self._spacing, self._seed = frames, FrameSpec(size, size), spacing, seed
        rate = "" if videos[0].fps is None else f", {videos[0].fps:g} frames per second"
        self.source = f"{len(videos)} videos{rate}, sha256 {content_hash(videos)}"
        for names in (changes.mirrored, changes.reversed) if changes else ():
            for name in (*names, *names.values()):
                if name not in labels:
                    raise TrainingError(f"--mirror or --reverse names {name!r}, which is not a label of the data")

    def __getitem__(self, index: int) -> Sequence:
        """Return the sequence of an index, which is 0 or more.

        Raises:
            TrainingError: ``MAX_FAILURES`` clips in a row cannot be read.
        """
        random = np.random.default_rng([self._seed, index])
        parts: list[Pixels] = []
        events: list[Event] = []
        count = 0
        unread: dict[str, str] = {}
        failures = 0
        while count < self._frames:
            pick = index + len(parts) + failures if self._validation else int(random.integers(len(self._videos)))
            video = self._videos[pick % len(self._videos)]
            try:
                clip, label, backwards = self._clip(video, random)
            except EdgeshiftError as error:
                # One damaged file must not end a run of hours, so it is reported and replaced by another clip.
                unread[video.name] = str(error)
                failures += 1
                if failures == MAX_FAILURES:
                    raise TrainingError(f"{failures} clips in a row cannot be read: {error}") from error
                continue
            # Only the first clip may start in its middle: a later gesture that is cut would begin in the clip before.
            room = self._frames - count
            may_start_late = not (count or self._validation) and len(clip) > room
            cut = int(random.integers(len(clip) - room + 1)) if may_start_late else 0
            rest = len(clip) * TAIL  # frames at the end of the clip, or at its beginning if it is played backwards
            begin = count - cut + (rest if backwards else 0.0)
            end = count - cut + len(clip) - (0.0 if backwards else rest)
            if label != NONE:
                events.append(Event(label, begin * self._spacing, end * self._spacing))
            clip = clip[cut : cut + room]
            parts.append(clip if self._validation else augment(clip, random))
            count += len(clip)
        times = np.arange(self._frames) * self._spacing
        unknown = np.zeros((self._frames, 4), np.float32)
        targets = frame_targets(times, events, self.labels)
        return Sequence(np.concatenate(parts), targets, unknown, unknown, tuple(unread.values()))

    def _clip(self, video: LabelledClip, random: np.random.Generator) -> tuple[Pixels, str, bool]:
        """Return a whole clip, its label after mirroring and reversal, and whether it is played backwards."""
        if self._validation:
            return CACHE.get(video.path, self._spacing, self._spec, video.fps), video.label, False
        # There are only four tempos, because each one needs its own decoded clip in the cache.
        spacing = self._spacing * float(random.choice([0.75, 0.9, 1.0, 1.2]))
        clip = CACHE.get(video.path, spacing, self._spec, video.fps)
        label = video.label
        if self._changes and label in self._changes.mirrored and random.random() < 0.5:
            clip, label = clip[:, :, ::-1], self._changes.mirrored[label]
        if self._changes and label in self._changes.reversed and random.random() < 0.5:
            return clip[::-1], self._changes.reversed[label], True
        return clip, label, False


def content_hash(videos: list[LabelledClip]) -> str:
    """Return the SHA-256 of all labels, splits and files, in order."""
    digest = hashlib.sha256()
    for video in videos:
        digest.update(f"{video.label}\0{video.split}\0".encode())
        for path in frame_files(video.path) if video.path.is_dir() else (video.path,):
            add_contents(digest, path)
    return digest.hexdigest()


def interleave_labels(videos: list[LabelledClip]) -> list[LabelledClip]:
    """Return one clip of every label, then another one of every label, and so on, in a random order.

    Lists of clips are often sorted by label, and a validation uses only the first few clips.
    """
    random = np.random.default_rng(VALIDATION_ORDER_SEED)
    counts: Counter[str] = Counter()
    keyed = []
    for index in random.permutation(len(videos)).tolist():
        counts[videos[index].label] += 1
        keyed.append((counts[videos[index].label], index))
    return [videos[index] for _, index in sorted(keyed, key=lambda key: key[0])]


def augment(clip: Pixels, random: np.random.Generator) -> Pixels:
    """Return the clip with a random position, scale, gamma and tint, the same for all frames."""
    cv2 = opencv("training")
    size = clip.shape[1]
    scale = random.uniform(0.9, 1.15)
    offset = size / 2 - scale * size / 2 + random.uniform(-0.06, 0.06, 2) * size
    matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
    levels = np.clip((np.arange(256) / 255) ** (2 ** random.normal(0, 0.25)) * 2 ** random.normal(0, 0.2), 0, 1)
    tint = 2 ** random.normal(0, 0.08, 3)
    curve = np.clip(levels[:, None] * tint * 255, 0, 255).astype(np.uint8)[None]
    return np.stack(
        [
            cv2.LUT(cv2.warpAffine(np.ascontiguousarray(f), matrix, (size, size), borderMode=cv2.BORDER_REFLECT), curve)
            for f in clip
        ]
    )
