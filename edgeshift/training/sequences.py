"""Training sequences: frames and their targets. An index gives the same sequence each time, so that runs can resume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgeshift._system.files import sha256
from edgeshift.artifact.description import NONE
from edgeshift.gestures import STROKES, Stroke, draw_stream
from edgeshift.training.frame_targets import Targets, frame_targets


@dataclass(frozen=True, eq=False)
class Heard:
    """A sound, and what a network with a sound segment should answer to it and to the frames.

    Attributes:
        picture: the picture of the sound, [size, size, 3], values 0 to 255.
        sound: index of the sound.
        gesture: index of the gesture that the frames show.
    """

    picture: npt.NDArray[Any]
    sound: int
    gesture: int


@dataclass(frozen=True, eq=False)
class Sequence:
    """T successive frames of one stream. Before the first one, the states of the network are zeros.

    Attributes:
        frames: uint8 [T, size, size, 3] RGB.
        targets: the targets of the frames.
        motion: float32 [T, 4], the fingertip's x and y and their change since the previous frame. The unit is the
            width or height of the frame.
        motion_weights: float32 [T, 4], 1 if this value of ``motion`` is known, else 0.
        unread: clips that this sequence lacks because they cannot be read, one line each.
        heard: a sound beside the frames; None: the network has no sound segment.
    """

    frames: npt.NDArray[np.uint8]
    targets: Targets
    motion: npt.NDArray[np.float32]
    motion_weights: npt.NDArray[np.float32]
    unread: tuple[str, ...] = ()
    heard: Heard | None = None


class Sequences(Protocol):
    """An endless source of sequences. The same index always gives the same sequence.

    Attributes:
        labels: one label per output of the network.
        source: origin of the sequences, in words, with a hash of the files if there are any.
    """

    labels: tuple[str, ...]
    source: str

    def __getitem__(self, index: int) -> Sequence:
        """Return the sequence of an index, which is 0 or more."""
        ...


class DrawnSequences:
    """Sequences cut out of drawn streams, at the beginning of a stream or later.

    Args:
        frames: frames of a sequence.
        size: height and width of the frames, pixels.
        spacing: seconds between frames.
        seed: seed of the streams.
        strokes: the gestures to draw. The labels are their names and ``none``.
    """

    def __init__(
        self, frames: int, size: int, spacing: float, seed: int, strokes: Mapping[str, Stroke] = STROKES
    ) -> None:
        self.labels = (*strokes, NONE)
        self.source = f"drawn gesture streams, seed {seed}, strokes {_fingerprint(strokes)}"
        self._frames, self._size, self._spacing, self._seed, self._strokes = frames, size, spacing, seed, strokes
        # Latest beginning of a sequence. It is late enough for sequences with the end of the longest stroke, even if
        # this stroke is the first one of the stream.
        self._latest = max(8.0, max((stroke.seconds[1] for stroke in strokes.values()), default=0.0) - 1)

    def __getitem__(self, index: int) -> Sequence:
        """Return the sequence of an index, which is 0 or more."""
        seed = (self._seed << 32) + index
        random = np.random.default_rng([seed, 2])
        begin = 0.0 if random.random() < 0.4 else random.uniform(0, self._latest)
        drawn = draw_stream(
            seed,
            seconds=self._frames * self._spacing,
            begin=begin,
            spacing=self._spacing,
            size=self._size,
            strokes=self._strokes,
        )
        visible = np.all(np.abs(drawn.track - 0.5) < 0.5, 1)
        moved = np.diff(drawn.track, axis=0, prepend=drawn.track[:1])
        visible_twice = visible & np.concatenate([[False], visible[:-1]])
        weights = np.stack([visible, visible, visible_twice, visible_twice], 1).astype(np.float32)
        return Sequence(
            drawn.frames,
            frame_targets(drawn.times, drawn.events, self.labels),
            np.concatenate([drawn.track, moved], 1).astype(np.float32) * (weights > 0),
            weights,
        )


def _fingerprint(strokes: Mapping[str, Stroke]) -> str:
    """Return sixteen hexadecimal digits that identify a set of strokes."""
    return sha256(repr(sorted(strokes.items())).encode())[:16]
