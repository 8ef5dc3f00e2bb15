"""The calls of a transcript: frames and sounds with their times, and where the stream is reset and restored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edgeshift.artifact.description import RuleSpec
from edgeshift.artifact.spec import StreamSpec
from edgeshift.sound.analysis import analysis
from edgeshift.sound.settings import SoundSettings
from edgeshift.stream.ear import LATE
from edgeshift.stream.transcript import Deafen, Hear, Sound, golden_bytes

#: Frames of the camera for each due frame, seconds between due frames if the artifact does not say it, and the largest
#: deviation of a frame's time as a share of the time between two frames.
RATE, SPACING, JITTER = 2.5, 0.25, 0.3
#: Sampling rates, of which the first two are used that are high enough for the network.
RATES = (16_000, 44_100, 48_000, 192_000, 384_000)
#: Samples that a long piece has more than a picture needs.
MARGIN = 37
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


#: A call to make. Those of a microphone are the calls of the transcript themselves, because they have no result.
Request = Frame | Hear | Deafen | Literal["reset", "save", "restore"]


def calls_of(spec: StreamSpec) -> list[Request]:
    """Return the calls for an artifact.

    All frames of a stream artifact's first part fill its states. A clip artifact gets enough frames for two answers.
    The frames after "restore" are the same as before it. A network with a sound segment gets sounds as well.
    """
    if spec.model.sound is not None:
        return _calls_with_sounds(spec, spec.model.sound)
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


def _calls_with_sounds(spec: StreamSpec, settings: SoundSettings) -> list[Request]:
    """Return frames and sounds after which every value of ``heard`` occurs, with two sampling rates."""
    # Of so many due frames, one is answered. Before the first answer, a clip artifact needs more.
    one, start = spec.hop or 1, spec.frames - 1
    camera = _Camera(spec)
    rate, other = [rate for rate in RATES if rate >= 2 * settings.top][:2]
    microphone = _Microphone(settings, rate)
    calls: list[Request] = [*camera.frames(start + 2 * one)]  # deaf
    calls += [*microphone.piece(camera.time - 0.1, 0.1), *microphone.during(camera.frames(one))]  # waiting
    calls += [*microphone.fill(camera.time), *microphone.during(camera.frames(6 * one))]  # heard
    microphone.time += 0.1  # a gap
    calls += [*microphone.during(camera.frames(2 * one)), *microphone.fill(camera.time)]
    calls += microphone.during(camera.frames(2 * one))
    calls += [*microphone.piece(camera.time, 0.1, "silent"), *microphone.during(camera.frames(one), "silent")]
    calls += [*microphone.fill(camera.time, "clipped"), *microphone.during(camera.frames(one), "clipped")]
    calls += [*microphone.fill(camera.time), *microphone.during(camera.frames(2 * one)), "save"]
    repeated = camera.numbers(2 * one)
    calls += [*microphone.during(camera.frames(2 * one, repeated)), "restore"]
    calls += microphone.during(camera.frames(2 * one, repeated))
    camera.time += LATE + 0.1
    calls += [*camera.frames(one), *microphone.during(camera.frames(one)), Deafen(), *camera.frames(one)]
    microphone = _Microphone(settings, other)
    calls += [*microphone.fill(camera.time), *microphone.during(camera.frames(3 * one)), "reset"]
    calls += [*camera.frames(start + 2 * one), *microphone.fill(camera.time)]
    calls += microphone.during(camera.frames(2 * one))
    camera.time -= 60.0  # the clock jumps back
    calls += [*camera.frames(one), *microphone.fill(camera.time), *microphone.during(camera.frames(one))]
    return calls + [frame._replace(time=None) for frame in camera.frames(one)]


class _Microphone:
    """Gives a sound in pieces.

    Attributes:
        time: time of the next sample in seconds.
    """

    def __init__(self, settings: SoundSettings, rate: int) -> None:
        self.time = 0.0
        self._rate = rate
        self._longest = (analysis(settings, rate).needed + MARGIN) / rate  # seconds of a piece
        self._given = 0

    def piece(self, begin: float, seconds: float, sound: Sound = "drawn") -> list[Request]:
        """Return a piece whose first sample has the time ``begin``; an empty list if it has no sample."""
        count = int(seconds * self._rate)
        if count < 1:
            return []
        call = Hear(sound=sound, first=self._given, samples=count, rate=self._rate, time=round(begin, 6))
        self._given += count
        self.time = begin + count / self._rate
        return [call]

    def fill(self, end: float, sound: Sound = "drawn") -> list[Request]:
        """Return a piece that ends at a time and is long enough for a picture."""
        return self.piece(end - self._longest, self._longest, sound)

    def during(self, frames: Sequence[Frame], sound: Sound = "drawn") -> list[Request]:
        """Return frames, and before each of them the sound up to its time."""
        calls: list[Request] = []
        for frame in frames:
            assert frame.time is not None
            begin = max(self.time, frame.time - self._longest)
            calls += [*self.piece(begin, frame.time - begin, sound), frame]
        return calls


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
