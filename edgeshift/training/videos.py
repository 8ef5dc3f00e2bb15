"""Training sequences out of one's own videos: a folder for each label, or a CSV.

Trimmed clips say what was done but not when it was complete: a stroke is taken to fill its clip but for the last
``TAIL``. Clips follow each other in a sequence, so that the network learns to go on without a reset.
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeshift._system.text import is_printable
from edgeshift.artifact.description import NONE
from edgeshift.errors import EdgeshiftError, TrainingError
from edgeshift.gestures import Event
from edgeshift.training.sequences import Sequence
from edgeshift.training.targets import frame_targets
from edgeshift.video.clips import paced
from edgeshift.video.dataset import LabelledClip, read_dataset
from edgeshift.video.fit import FrameSpec, fit_frame, opencv

#: Of a clip: how much at its end is taken to follow the stroke.
TAIL = 0.15
#: Frames of a clip: what is longer is no trimmed clip.
LONGEST = 512
#: Clips in a row that cannot be read, after which a run gives up.
PATIENCE = 20
#: Bytes of clips kept decoded, per process.
KEPT = 512 << 20
#: Parts of a data set. Others, such as "test", are left alone.
TRAIN, VALIDATION = "train", "val"
#: Of the order in which validation sees its clips.
ORDER = 0


@dataclass(frozen=True)
class LabelMap:
    """What labels become when a clip is mirrored, or played backwards. Labels that are not named are left alone."""

    mirrored: Mapping[str, str]
    reversed: Mapping[str, str]

    def check(self, labels: tuple[str, ...]) -> None:
        """Raise TrainingError for names that are no labels."""
        for name in (*self.mirrored, *self.mirrored.values(), *self.reversed, *self.reversed.values()):
            if name not in labels:
                raise TrainingError(f"--mirror and --reverse name {name!r}, which is no label of the data")


def find_videos(data: Path) -> list[LabelledClip]:
    """The clips of a data set, each with its part: "train", "val", or anything else.

    Without a split, every seventh clip of a label is for validation.

    Raises:
        VideoError: see ``edgeshift.video.dataset.read_dataset``.
        TrainingError: one label only, or a clip that is not there.
    """
    found = read_dataset(data).clips
    for clip in found:
        if not clip.path.is_file():
            raise TrainingError(f"{data}: there is no clip {clip.name!r}: take it out, or put it there")
    labels = {clip.label for clip in found}
    if len(labels) < 2:
        raise TrainingError(
            f"{data}: {len(found)} videos of {len(labels)} labels; training needs two labels or more, in a folder of "
            "videos per label or a CSV (file,label[,split])"
        )
    if any(clip.split for clip in found):
        return [replace(clip, split=clip.split or TRAIN) for clip in found]
    seen: Counter[str] = Counter()
    divided = []
    for clip in found:
        seen[clip.label] += 1
        divided.append(replace(clip, split=TRAIN if seen[clip.label] % 7 else VALIDATION))
    return divided


def labels_of(videos: list[LabelledClip]) -> tuple[str, ...]:
    """In alphabetical order, ``none`` last."""
    names = sorted({video.label for video in videos} - {NONE})
    for name in (*names,):
        if not is_printable(name, longest=256):
            raise TrainingError(f"label {name!r:.80} is not 1 to 256 printable characters")
    return (*names, *([NONE] if any(video.label == NONE for video in videos) else []))


class VideoSequences:
    """Pairs of clips out of ``videos``, each with its own tempo, crop and light.

    Args:
        videos: what to draw from. labels: names of the answers.
        frames, size, spacing: see ``Recipe``. seed: of the order and the changes.
        changes: how labels change when a clip is mirrored or reversed; None: neither is done.
        plain: for validation: clips as they are from their start, one after the other, the labels in turn.
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
        plain: bool = False,
    ) -> None:
        if not videos:
            raise TrainingError("no clips for validation: add clips, or a split column that names some 'val'")
        self.labels, self._changes, self._plain = labels, changes, plain
        self._videos = _in_turn(videos) if plain else videos
        self._frames, self._spec, self._spacing, self._seed = frames, FrameSpec(size, size), spacing, seed
        self.source = f"{len(videos)} videos, sha256 {content_hash(videos)}"
        if changes:
            changes.check(labels)

    def __getitem__(self, index: int) -> Sequence:
        """Sequence ``index``."""
        random = np.random.default_rng([self._seed, index])
        pictures: list[npt.NDArray[np.uint8]] = []
        events: list[Event] = []
        count = 0
        unread: dict[str, str] = {}
        failed = 0
        while count < self._frames:
            pick = index + len(pictures) + failed if self._plain else int(random.integers(len(self._videos)))
            video = self._videos[pick % len(self._videos)]
            try:
                clip, label, backwards = self._clip(video, random)
            except EdgeshiftError as error:
                # One damaged file does not end a run of hours: another clip takes its turn, and it is said.
                unread[video.name] = str(error)
                failed += 1
                if failed == PATIENCE:
                    raise TrainingError(f"{failed} clips that cannot be read, one after the other: {error}") from error
                continue
            # Later clips begin where they begin: a cut one would reach back into the clip before.
            room = self._frames - count
            anywhere = not (count or self._plain) and len(clip) > room
            cut = int(random.integers(len(clip) - room + 1)) if anywhere else 0
            rest = len(clip) * TAIL  # at the clip's end, and at its beginning if it is played backwards
            begin = count - cut + (rest if backwards else 0.0)
            end = count - cut + len(clip) - (0.0 if backwards else rest)
            if label != NONE:
                events.append(Event(label, begin * self._spacing, end * self._spacing))
            clip = clip[cut : cut + room]
            pictures.append(clip if self._plain else _varied(clip, random))
            count += len(clip)
        frames = np.concatenate(pictures)
        times = np.arange(self._frames) * self._spacing
        unknown = np.zeros((self._frames, 4), np.float32)
        targets = frame_targets(times, events, self.labels)
        return Sequence(frames, targets, unknown, unknown, tuple(unread.values()))

    def _clip(self, video: LabelledClip, random: np.random.Generator) -> tuple[npt.NDArray[np.uint8], str, bool]:
        """All of a clip, what it shows once it is mirrored or reversed, and whether it is played backwards."""
        if self._plain:
            return _DECODED.get(video.path, self._spacing, self._spec), video.label, False
        # Four tempos; more would not fit into the memory of decoded clips.
        clip = _DECODED.get(video.path, self._spacing * float(random.choice([0.75, 0.9, 1.0, 1.2])), self._spec)
        label = video.label
        if self._changes and label in self._changes.mirrored and random.random() < 0.5:
            clip, label = clip[:, :, ::-1], self._changes.mirrored[label]
        if self._changes and label in self._changes.reversed and random.random() < 0.5:
            return clip[::-1], self._changes.reversed[label], True
        return clip, label, False


def content_hash(videos: list[LabelledClip]) -> str:
    """SHA-256 of all labels and files, in order."""
    digest = hashlib.sha256()
    for video in videos:
        digest.update(f"{video.label}\0{video.split}\0".encode())
        with video.path.open("rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
    return digest.hexdigest()


def _in_turn(videos: list[LabelledClip]) -> list[LabelledClip]:
    """Every label's first clip, then every label's second, and so on, in an order of no meaning: lists are often sorted
    by label, and a validation sees no more than a part of them."""
    random = np.random.default_rng(ORDER)
    rounds: dict[str, int] = {}
    keyed = []
    for place in random.permutation(len(videos)).tolist():
        label = videos[place].label
        rounds[label] = rounds.get(label, 0) + 1
        keyed.append((rounds[label], place))
    return [videos[place] for _, place in sorted(keyed, key=lambda key: key[0])]


class Decoded:
    """Decoded clips, of which the ones used last are kept.

    Args:
        limit: bytes to keep; a clip larger than that is not kept. decode: gives a clip's frames.
    """

    def __init__(self, limit: int, decode: Callable[[Path, float, FrameSpec], npt.NDArray[np.uint8]]) -> None:
        self._limit, self._decode = limit, decode
        self._kept: OrderedDict[tuple[Path, float, FrameSpec], npt.NDArray[np.uint8]] = OrderedDict()
        self.bytes = 0

    def get(self, path: Path, spacing: float, spec: FrameSpec) -> npt.NDArray[np.uint8]:
        """The frames of a clip, ``spacing`` seconds apart. They are shared: do not write to them."""
        key = (path, spacing, spec)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        clip = self._decode(path, spacing, spec)
        if clip.nbytes <= self._limit:
            self._kept[key] = clip
            self.bytes += clip.nbytes
        while self.bytes > self._limit:
            self.bytes -= self._kept.popitem(last=False)[1].nbytes
        return clip


def _frames(path: Path, spacing: float, spec: FrameSpec) -> npt.NDArray[np.uint8]:
    frames = [fit_frame(timed.frame, spec) for timed in islice(paced(path, spacing), LONGEST + 1)]
    if len(frames) > LONGEST:
        raise TrainingError(
            f"{path}: more than {LONGEST} frames, {spacing:g} s apart: cut it into clips of one gesture each"
        )
    return np.stack(frames)


_DECODED = Decoded(KEPT, _frames)


def _varied(clip: npt.NDArray[np.uint8], random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Another place, scale and light, the same for all frames."""
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
