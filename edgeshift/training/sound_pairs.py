"""Training sequences of a drawn gesture and a drawn sound, for networks with a sound segment.

The answer of such a network is a weighted mean of logits, so every sequence of a batch can be paired with the sound of
every other one. A label is a pair of a gesture and a sound: ``left+clap``. Without a sound it is the gesture's name.
"""

from __future__ import annotations

from collections.abc import Sequence as List

import numpy as np
import numpy.typing as npt
import torch

from edgeshift.artifact.description import NONE
from edgeshift.artifact.pair_label import pair_labels
from edgeshift.errors import TrainingError, unknown
from edgeshift.gestures import SPACING, STROKES, draw_clip
from edgeshift.models.network import ShiftNetwork
from edgeshift.sound import SoundSettings
from edgeshift.sound.drawn import QUIET, SOUNDS, draw_picture
from edgeshift.sound.picture import Picture
from edgeshift.training.frame_targets import Targets
from edgeshift.training.gesture_windows import draw_window
from edgeshift.training.sequences import Heard, Sequence

#: Sounds that are drawn into a part of the quiet ones, because a network must not report them.
DISTRACTORS = ("knock", "beep", "voice", "music")
#: Share of the quiet sounds in which a distractor is heard.
DISTRACTED = 0.6
#: Seed of the quiet sounds whose logits stand for a sound that is not there, and their number.
QUIET_SEED, QUIET_COUNT = 900_000_000, 64


class DrawnPairs:
    """Sequences of one drawn gesture each, with a drawn sound beside it.

    Args:
        gestures: names of the gestures. With ``none`` among them, all sequences are windows of streams
            (``draw_window``); without it, each is a clip of a whole gesture.
        sounds: names of the sounds. ``QUIET`` is added as the last one.
        settings: the settings of the network's sound segment.
        size: height and width of the frames and of the picture of the sound, pixels.
        seed: seed of the gestures and of the sounds.
        spacing: seconds between the frames of a window.

    Raises:
        TrainingError: a gesture or a sound is unknown.
    """

    def __init__(
        self,
        gestures: List[str],
        sounds: List[str],
        settings: SoundSettings,
        size: int,
        seed: int,
        spacing: float = SPACING,
    ) -> None:
        for name in gestures:
            if name not in (*STROKES, NONE):
                raise TrainingError(unknown("gesture", name, (*STROKES, NONE)))
        for name in sounds:
            if name not in SOUNDS:
                raise TrainingError(unknown("sound", name, SOUNDS))
        self.gestures, self.sounds = tuple(gestures), (*sounds, QUIET)
        self.labels = pair_labels(self.gestures, self.sounds)
        self.source = f"drawn gestures {', '.join(gestures)} with drawn sounds {', '.join(sounds)}, seed {seed}"
        self._settings, self._size, self._seed, self._spacing = settings, size, seed, spacing

    def __getitem__(self, index: int) -> Sequence:
        """Return the sequence of an index, which is 0 or more."""
        random = np.random.default_rng([self._seed, index, 3])
        gesture, sound = int(random.integers(len(self.gestures))), int(random.integers(len(self.sounds)))
        name, seed = self.sounds[sound], (self._seed << 32) + index
        frames = self._frames(seed, self.gestures[gesture])
        if name == QUIET:
            picture = quiet_picture(seed, self.sounds, self._settings, self._size, random)
        else:
            picture = draw_picture(seed, name, self._settings, self._size)
        return pair_sequence(frames, Heard(picture, sound, gesture), len(self.sounds))

    def _frames(self, seed: int, gesture: str) -> npt.NDArray[np.uint8]:
        count, size = self._settings.frames, self._size
        if NONE not in self.gestures:
            return draw_clip(seed, gesture, frames=count, size=size).frames
        return draw_window(seed, gesture, gestures=self.gestures, frames=count, spacing=self._spacing, size=size)


def pair_sequence(frames: npt.NDArray[np.uint8], heard: Heard, sounds: int, unread: tuple[str, ...] = ()) -> Sequence:
    """Return the sequence of the frames of one gesture and a sound. ``sounds`` is the number of all sounds."""
    count, label = len(frames), heard.gesture * sounds + heard.sound
    targets = Targets(
        labels=np.full(count, label),
        weights=np.ones(count, np.float32),
        spans=np.full((1, count), 1 / count, np.float32),
        span_labels=np.array([label]),
    )
    unknown_motion = np.zeros((count, 4), np.float32)
    return Sequence(frames, targets, unknown_motion, unknown_motion, unread, heard)


def quiet_picture(
    seed: int, sounds: List[str], settings: SoundSettings, size: int, random: np.random.Generator
) -> Picture:
    """Return the picture of a drawn room in which none of the ``sounds`` is heard, but perhaps another sound."""
    name, others = QUIET, [other for other in DISTRACTORS if other not in sounds]
    if others and random.random() < DISTRACTED:
        name = others[random.integers(len(others))]
    return draw_picture(seed, name, settings, size)


def quiet_logits(network: ShiftNetwork) -> tuple[float, ...]:
    """Return the mean logits of drawn quiet rooms, which a stream uses while it has no sound."""
    settings = network.config.sound
    assert settings is not None, "the network has a sound segment"
    total = torch.zeros(network.config.classes, dtype=torch.float64)
    with torch.inference_mode():
        for index in range(QUIET_COUNT):
            picture = torch.from_numpy(draw_picture(QUIET_SEED + index, QUIET, settings, network.config.size))
            total += network.hear(picture.permute(2, 0, 1)[None].float())[0].double()
    return tuple((total / QUIET_COUNT).tolist())
