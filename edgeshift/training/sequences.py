"""Training sequences: frames and what to answer, by index, so that a run can go on where it was cut off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edgeshift._system.files import sha256
from edgeshift.artifact.description import NONE
from edgeshift.gestures import STROKES, Stroke, draw_stream
from edgeshift.training.targets import Targets, frame_targets


@dataclass(frozen=True, eq=False)
class Sequence:
    """T frames of one stream, from a zero state.

    Attributes:
        frames: uint8 [T, size, size, 3] RGB.
        targets: what to answer.
        motion: float32 [T, 4], the fingertip's x, y and their change since the frame before, in pictures.
        motion_weights: float32 [T, 4], 1 where that is known.
        unread: clips that would have been in it and cannot be read: a line each.
    """

    frames: npt.NDArray[np.uint8]
    targets: Targets
    motion: npt.NDArray[np.float32]
    motion_weights: npt.NDArray[np.float32]
    unread: tuple[str, ...] = ()


class Sequences(Protocol):
    """Where sequences come from. The same index always gives the same sequence.

    Attributes:
        labels: names of the answers. source: what this is, with a hash of it where it is files.
    """

    labels: tuple[str, ...]
    source: str

    def __getitem__(self, index: int) -> Sequence:
        """Sequence ``index``, 0 or more; there is no end to them."""
        ...


def _fingerprint(strokes: Mapping[str, Stroke]) -> str:
    """Sixteen digits that tell sets of strokes apart."""
    return sha256(repr(sorted(strokes.items())).encode())[:16]


class DrawnSequences:
    """Cut out of drawn streams, at their beginning or anywhere.

    Args:
        frames, size, spacing: see ``Recipe``.
        seed: another seed gives other streams.
        strokes: the gestures to draw; their names are the labels, and ``none`` is one more.
    """

    def __init__(
        self, frames: int, size: int, spacing: float, seed: int, strokes: Mapping[str, Stroke] = STROKES
    ) -> None:
        self.labels = (*strokes, NONE)
        self.source = f"drawn gesture streams, seed {seed}, strokes {_fingerprint(strokes)}"
        self._frames, self._size, self._spacing, self._seed, self._strokes = frames, size, spacing, seed, strokes
        # Late enough that the end of every stroke is seen, even if it is the first of its stream.
        self._latest = max(8.0, max((stroke.seconds[1] for stroke in strokes.values()), default=0.0) - 1)

    def __getitem__(self, index: int) -> Sequence:
        """Sequence ``index``."""
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
        seen = np.all(np.abs(drawn.track - 0.5) < 0.5, 1)
        moved = np.diff(drawn.track, axis=0, prepend=drawn.track[:1])
        both = seen & np.concatenate([[False], seen[:-1]])
        weights = np.stack([seen, seen, both, both], 1).astype(np.float32)
        return Sequence(
            drawn.frames,
            frame_targets(drawn.times, drawn.events, self.labels),
            np.concatenate([drawn.track, moved], 1).astype(np.float32) * (weights > 0),
            weights,
        )
