"""What a run has seen so far: a line every few steps."""

from __future__ import annotations

from pathlib import Path
from time import time

import msgspec

from edgeshift._system.files import atomic_write
from edgeshift.errors import TrainingError, one_line

#: Sums that entries keep; all but the counts are divided when read.
SUMS = ("total", "frame", "span", "motion", "correct", "counted", "right", "gestures")


class Sums(msgspec.Struct, frozen=True):
    """Losses of some batches: sums over them.

    Attributes:
        total, frame, span, motion: losses. batches: how many.
        correct, counted: frames answered rightly, and all that count, weighted.
        right, gestures: gestures whose mean answer is right, and all.
    """

    total: float = 0.0
    frame: float = 0.0
    span: float = 0.0
    motion: float = 0.0
    correct: float = 0.0
    counted: float = 0.0
    right: float = 0.0
    gestures: float = 0.0
    batches: int = 0

    def add(self, values: dict[str, float]) -> Sums:
        """With one more batch."""
        return Sums(**{name: getattr(self, name) + values[name] for name in SUMS}, batches=self.batches + 1)

    @property
    def loss(self) -> float:
        """Mean of the batches."""
        return self.total / max(self.batches, 1)

    @property
    def frame_accuracy(self) -> float:
        """0..1, over the frames that count."""
        return self.correct / self.counted if self.counted else 0.0

    @property
    def gesture_accuracy(self) -> float:
        """0..1."""
        return self.right / self.gestures if self.gestures else 0.0


class Entry(msgspec.Struct, frozen=True):
    """One line: the steps up to ``step`` since the line before, and a validation if there was one."""

    step: int
    clock: float
    """Seconds since 1970, when it was written."""
    training: Sums
    validation: Sums | None = None
    unread: tuple[str, ...] = ()
    """Clips that turned out not to be readable since the line before: a line each, and each once in a run."""


class History:
    """The lines in a file, appended as they come.

    Raises:
        TrainingError: a file that is not one of ours.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: list[Entry] = []
        if path.exists():
            lines = path.read_bytes().splitlines()
            try:
                self.entries = [msgspec.json.decode(line, type=Entry) for line in lines if line.endswith(b"}")]
            except msgspec.MsgspecError as error:
                raise TrainingError(f"{path}: {one_line(error)}; remove the folder to start anew") from error

    def append(self, entry: Entry) -> None:
        """One more line."""
        self.entries.append(entry)
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(entry) + b"\n")

    def cut(self, lines: int) -> None:
        """Forget what came after the first ``lines``: the state that is gone on from does not know it."""
        self.entries = self.entries[:lines]
        with atomic_write(self.path) as part:
            part.write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in self.entries))


def entry(step: int, training: Sums, validation: Sums | None, unread: tuple[str, ...] = ()) -> Entry:
    """A line, dated now."""
    return Entry(step, time(), training, validation, unread)
