"""The calls of a transcript: which frames are given at which times, and where the stream is reset and restored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.description import RuleSpec
from edgeshift.artifact.spec import StreamSpec
from edgeshift.stream.transcript import golden_bytes

#: Frames of the camera for each due frame, seconds between due frames if the artifact does not say it, and the largest
#: deviation of a frame's time as a share of the time between two frames.
RATE, SPACING, JITTER = 2.5, 0.25, 0.3
#: Sizes of the pictures besides the network's own size: height and width.
SIZES = ((61, 83), (120, 90))
#: Most rule calls, and most logits in them.
MOST_ROWS, MOST_LOGITS = 240, 1 << 18
#: Logit of the label that a rule call shows, and distance between two steps of the others.
SHOWN, STEP = 8.0, 1 / 128


class Frame(NamedTuple):
    """A frame to give: its picture's number and size, and its time in seconds, which may be None."""

    picture: int
    height: int
    width: int
    time: float | None


#: A call to make.
Request = Frame | Literal["reset", "save", "restore"]


def calls_of(spec: StreamSpec) -> list[Request]:
    """Return the calls for an artifact.

    All frames of a stream artifact's first part fill its states. A clip artifact gets enough frames for two answers.
    The frames after "restore" are the same as before it.
    """
    first, more = (12, 4) if spec.hop is None else (spec.frames + spec.hop, spec.hop)
    camera = _Camera(spec)
    calls: list[Request] = [*camera.frames(first), "reset", *camera.frames(first // 2 if spec.hop is None else first)]
    calls.append("save")
    repeated = camera.numbers(more)
    calls += [*camera.frames(more, repeated), "restore", *camera.frames(more, repeated)]
    camera.time -= 60.0  # the clock jumps back
    calls += camera.frames(2)
    return calls + [frame._replace(time=None) for frame in camera.frames(1)]


def rule_rows(
    spec: StreamSpec, rule: RuleSpec, silent: Sequence[int], seed: int
) -> list[tuple[float, npt.NDArray[np.float32]]]:
    """Return times and logits that show up to three labels, each long enough to be announced, with pauses between them.

    The last label is shown after a jump of the clock to an earlier time.
    """
    classes, step = len(spec.labels), (spec.frame_spacing or SPACING) * (spec.hop or 1)
    known = [index for index in range(classes) if index not in silent]
    most = min(MOST_ROWS, MOST_LOGITS // classes)
    quiet = silent[0] if silent else None
    rows: list[tuple[float, npt.NDArray[np.float32]]] = []
    time = 100.0
    for turn, index in enumerate([*known[:: max(1, len(known) // 3)][:3], known[0]]):
        if turn == 3 or (turn and len(known) == 1):
            time = 50.0
        pause = max(step, rule.hold_off / (rule.window + 1))
        for label, seconds, count in ((index, step, rule.window + 2), (quiet, pause, rule.window + 1)):
            for _ in range(count):
                rows.append((round(time, 6), _row(classes, label, seed + len(rows) * classes)))
                time += seconds
    return rows[:most]


def _row(classes: int, label: int | None, index: int) -> npt.NDArray[np.float32]:
    logits = golden_bytes(np.arange(classes) + index).astype(np.float32) * np.float32(STEP)
    if label is not None:
        logits[label] += SHOWN
    return logits


class _Camera:
    """Gives frames with times that jitter, faster than the artifact's frame spacing."""

    def __init__(self, spec: StreamSpec) -> None:
        self._sizes = [(spec.frame.height, spec.frame.width), *SIZES]
        self._paced = spec.frame_spacing is not None
        self._interval = (spec.frame_spacing or SPACING) / (RATE if self._paced else 1)
        self.time = 12.25
        self._given = 0

    def numbers(self, due: int) -> list[int]:
        """Return the numbers of the next pictures, so many that ``due`` of them are due."""
        count = round(due * RATE) if self._paced else due
        return list(range(self._given, self._given + count))

    def frames(self, due: int, numbers: list[int] | None = None) -> list[Frame]:
        """Return the next frames, of which about ``due`` are due."""
        return list(self._frames(self.numbers(due) if numbers is None else numbers))

    def _frames(self, numbers: list[int]) -> Iterator[Frame]:
        for number in numbers:
            jitter = (int(golden_bytes(np.array([self._given]))[0]) - 128) / 128 * JITTER
            height, width = self._sizes[number // 3 % len(self._sizes)]
            yield Frame(number, height, width, round(self.time + jitter * self._interval, 6))
            self.time += self._interval
            self._given += 1
