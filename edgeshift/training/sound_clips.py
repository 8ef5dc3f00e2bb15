"""Training sequences of recorded clips with recorded sounds, for networks with a sound segment.

The sound of a clip is a .wav file of the same name beside it, or the sound inside the video. Or it is any file of a
folder of sounds: the answer is a weighted mean of logits, so every clip can be paired with every sound.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as List
from pathlib import Path

import numpy as np

from edgeshift.artifact.description import NONE
from edgeshift.artifact.pair_label import PLUS, gesture_and_sound, pair_labels
from edgeshift.errors import EdgeshiftError, SoundError, TrainingError
from edgeshift.sound import SoundSettings
from edgeshift.sound.drawn import QUIET
from edgeshift.sound.picture import Picture
from edgeshift.training.clip_cache import CACHE, Pixels
from edgeshift.training.sequences import Heard, Sequence
from edgeshift.training.sound_files import find_sounds, hash_files
from edgeshift.training.sound_pairs import pair_sequence, quiet_picture
from edgeshift.training.videos import (
    MAX_FAILURES,
    NO_TRAINING,
    NO_VALIDATION,
    TAIL,
    TRAIN,
    VALIDATION,
    augment,
    content_hash,
    find_videos,
    interleave_labels,
)
from edgeshift.video.dataset import LabelledClip
from edgeshift.video.fit import FrameSpec
from edgeshift.video.sound_window import picture_of_window, read_sound, sound_path
from edgeshift.video.soundtrack import has_ffmpeg


class ClipPairs:
    """Sequences of one clip each, with a sound beside it. ``clips`` is the number of different clips.

    Args:
        videos: the clips to choose from.
        gestures: names of the gestures.
        sounds: names of the sounds, with ``QUIET`` as the last one.
        files: {sound: files}, from which a sound is chosen for each clip; None: each clip has its own sound.
        settings: the settings of the network's sound segment.
        size: height and width of the frames and of the picture of the sound, pixels.
        spacing: seconds between frames.
        seed: seed of the choice of clips and sounds, and of their augmentation.
        validation: use the clips without augmentation, in turn.

    Raises:
        TrainingError: there are no clips.
    """

    def __init__(
        self,
        videos: list[LabelledClip],
        gestures: tuple[str, ...],
        sounds: tuple[str, ...],
        files: Mapping[str, List[Path]] | None,
        settings: SoundSettings,
        size: int,
        spacing: float,
        seed: int,
        *,
        validation: bool = False,
    ) -> None:
        if not videos:
            raise TrainingError(NO_VALIDATION if validation else NO_TRAINING)
        self.gestures, self.sounds, self.clips = gestures, sounds, len(videos)
        self.labels = pair_labels(gestures, sounds)
        self._videos = interleave_labels(videos) if validation else videos
        self._files, self._settings, self._validation = files, settings, validation
        self._spec, self._spacing, self._seed = FrameSpec(size, size), spacing, seed
        own = [clip.wav for clip in videos if clip.wav.is_file()] if files is None else []
        wavs = own if files is None else [path for name in sorted(files) for path in files[name]]
        self.source = f"{len(videos)} videos, sha256 {content_hash(videos)}, with {len(wavs)} .wav files, sha256 "
        self.source += hash_files(wavs)

    def __getitem__(self, index: int) -> Sequence:
        """Return the sequence of an index, which is 0 or more.

        Raises:
            TrainingError: ``MAX_FAILURES`` clips in a row cannot be read.
        """
        random = np.random.default_rng([self._seed, index, 4])
        unread: dict[str, str] = {}
        for failures in range(MAX_FAILURES):
            pick = index + failures if self._validation else int(random.integers(len(self._videos)))
            video = self._videos[pick % len(self._videos)]
            try:
                frames = self._frames(video, random)
                sound, picture = self._sound(video, random)
            except EdgeshiftError as error:
                unread[video.name] = str(error)
                continue
            gesture = self.gestures.index(gesture_and_sound(video.label, video.sound)[0])
            return pair_sequence(frames, Heard(picture, sound, gesture), len(self.sounds), tuple(unread.values()))
        raise TrainingError(f"{MAX_FAILURES} clips in a row cannot be read: {next(iter(unread.values()))}")

    def _frames(self, video: LabelledClip, random: np.random.Generator) -> Pixels:
        """Return the frames of a clip. A short clip is continued with its first and its last frame."""
        wanted = self._settings.frames
        spacing = self._spacing * (1.0 if self._validation else float(random.choice([0.75, 0.9, 1.0, 1.2])))
        clip = CACHE.get(video.path, spacing, self._spec, video.fps)
        spare = len(clip) - wanted
        if spare > 0:  # the end of the gesture must be seen
            earliest = spare if self._validation else max(0, spare - round(len(clip) * TAIL))
            begin = int(random.integers(earliest, spare + 1))
            clip = clip[begin : begin + wanted]
        before = 0 if self._validation or spare >= 0 else int(random.integers(-spare + 1))
        indices = (np.arange(wanted) - before).clip(0, len(clip) - 1)
        return clip[indices] if self._validation else augment(clip[indices], random)

    def _sound(self, video: LabelledClip, random: np.random.Generator) -> tuple[int, Picture]:
        """Return the index of a sound, and its picture."""
        size = self._spec.width
        if self._files is None:
            index = self.sounds.index(gesture_and_sound(video.label, video.sound)[1])
            path = sound_path(video)
        else:
            index = int(random.integers(len(self.sounds)))
            files = self._files.get(self.sounds[index])
            if files is None:  # there are no files of quiet rooms
                return index, quiet_picture(int(random.integers(1 << 40)), self.sounds, self._settings, size, random)
            path = files[int(random.integers(len(files)))]
        return index, picture_of_window(path, self._settings, size, random, augment=not self._validation)


def read_pairs(
    data: Path,
    sound_data: Path | None,
    fps: float | None,
    settings: SoundSettings,
    size: int,
    spacing: float,
    seed: int,
) -> tuple[ClipPairs, ClipPairs]:
    """Return the sequences to train on and the sequences to validate on.

    Args:
        data: a folder of clips per label, or a CSV. Without ``sound_data``, a label is a gesture and a sound, as
            left+clap, or a CSV file has the column ``sound``.
        sound_data: a folder with one folder of .wav files per sound; None: the clips have sounds.
        fps: frames per second of clips without times.
        settings: the settings of the network's sound segment.
        size: height and width of the frames, pixels.
        spacing: seconds between frames.
        seed: seed of the choice of clips and sounds.

    Raises:
        TrainingError: the clips have no sound, or there are too few clips or sounds.
    """
    videos = find_videos(data, fps)
    training = [video for video in videos if video.split == TRAIN]
    validation = [video for video in videos if video.split == VALIDATION]
    found = None if sound_data is None else find_sounds(sound_data)
    pairs = {video: gesture_and_sound(video.label, video.sound) for video in videos}
    if found is None:
        _require_sounds(data, videos)
        heard = {sound for _, sound in pairs.values()} - {QUIET}
        if not heard:
            raise TrainingError(
                f"{data}: no clip has the name of a sound: name the folders of clips as in left{PLUS}clap, add the "
                "column sound to a CSV file, or give --sound-data"
            )
        sounds = (*sorted(heard), QUIET)
    else:
        sounds = (*found.names, QUIET)
    names = {gesture for gesture, _ in pairs.values()}
    gestures = (*sorted(names - {NONE}), *([NONE] if NONE in names else []))
    if absent := names - {pairs[video][0] for video in training}:
        raise TrainingError(f"{data}: there is no clip of {min(absent)!r} to train on")
    shared = (settings, size, spacing, seed)
    files = (None, None) if found is None else (found.training, found.validation)
    return (
        ClipPairs(training, gestures, sounds, files[0], *shared),
        ClipPairs(validation, gestures, sounds, files[1], *shared, validation=True),
    )


def _require_sounds(data: Path, videos: List[LabelledClip]) -> None:
    """Raise TrainingError if the clips have no sound. Only the first clip without a .wav file is read."""
    silent = next((video for video in videos if not video.wav.is_file()), None)
    if silent is None:
        return
    remedy = "put a .wav file of the same name beside each clip, or give --sound-data with a folder of sounds"
    if silent.path.is_dir():
        raise TrainingError(f"{data}: there is no sound for {silent.name!r}: {remedy}")
    if not has_ffmpeg():
        raise TrainingError(
            f"{data}: there is no .wav file for {silent.name!r}, and the sound in a video is read by ffmpeg, which is "
            f"not installed: install it, or {remedy}"
        )
    try:
        read_sound(silent.path)
    except SoundError as error:
        raise TrainingError(f"{error}: {remedy}") from error
