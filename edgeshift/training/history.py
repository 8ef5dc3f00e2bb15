"""The history of a training run: a file with one entry of losses and accuracies every few steps."""

from __future__ import annotations

from pathlib import Path
from time import time

import msgspec

from edgeshift._system.files import atomic_write, read_file
from edgeshift.errors import TrainingError, one_line

#: Size of the largest history that is read, bytes. A run of a million steps has less than 100 MB.
MAX_BYTES = 1 << 28


class Sums(msgspec.Struct, frozen=True):
    """Sums over several batches. The properties divide them by the number of batches, frames or gestures.

    Attributes:
        total: the loss that is minimised.
        frame: loss of the frames.
        span: loss of the gestures.
        motion: auxiliary loss of the fingertip's motion.
        correct: sum of the weights of correctly classified frames.
        counted: sum of the weights of all frames.
        right: number of gestures that their mean logits classify correctly.
        gestures: number of all gestures.
        batches: number of batches.
        squares: sums over the batches of ``correct * correct``, ``correct * counted`` and ``counted * counted``, from
            which ``independent_frames`` is computed.
        sound: auxiliary loss of the sounds alone; 0: there are none.
        heard: number of sounds that are classified correctly without the frames.
        sounds: number of all sounds.
        clips: number of different clips, which a validation may show several times; 0: every gesture is another one.
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
    squares: tuple[float, float, float] = (0.0, 0.0, 0.0)
    sound: float = 0.0
    heard: float = 0.0
    sounds: float = 0.0
    clips: int = 0

    def add(self, values: dict[str, float]) -> Sums:
        """Return the sums with the values of one more batch added, {field: value}."""
        correct, counted = values.get("correct", 0.0), values.get("counted", 0.0)
        products = (correct * correct, correct * counted, counted * counted)
        return Sums(
            **{name: getattr(self, name) + value for name, value in values.items()},
            batches=self.batches + 1,
            squares=tuple(total + value for total, value in zip(self.squares, products, strict=True)),  # type: ignore[arg-type]
        )

    @property
    def loss(self) -> float:
        """Mean loss of a batch."""
        return self.total / max(self.batches, 1)

    @property
    def frame_accuracy(self) -> float:
        """Weighted accuracy over frames, 0 to 1."""
        return self.correct / self.counted if self.counted else 0.0

    @property
    def independent_frames(self) -> float:
        """Number of independent frames that would give a frame accuracy of the same precision.

        Frames of one sequence are similar, so an interval from the number of all frames would be far too narrow. The
        variance of the accuracy is estimated from the differences between batches, as for a ratio in cluster sampling
        (Cochran, Sampling Techniques, 1977, section 2.11). Where all batches agree, each counts as one frame.
        """
        if self.batches < 2 or not self.counted:
            return float(self.batches)
        share = self.frame_accuracy
        spread = self.squares[0] - 2 * share * self.squares[1] + share * share * self.squares[2]
        variance = max(spread, 0.0) / (self.counted * self.counted) * self.batches / (self.batches - 1)
        largest = share * (1 - share)
        return float(self.batches) if largest <= 0 or variance <= 0 else max(1.0, largest / variance)

    @property
    def gesture_accuracy(self) -> float:
        """Accuracy over gestures, 0 to 1."""
        return self.right / self.gestures if self.gestures else 0.0


class HistoryEntry(msgspec.Struct, frozen=True):
    """One entry of the history.

    Attributes:
        step: number of steps taken so far.
        clock: time at which the entry was written, seconds since 1970.
        training: sums over the steps since the previous entry.
        validation: sums over the validation sequences; None: there was no validation at this step.
        unread: clips that could not be read since the previous entry, one line each. A clip is listed once in a run.
    """

    step: int
    clock: float
    training: Sums
    validation: Sums | None = None
    unread: tuple[str, ...] = ()


class History:
    """The entries of a run, in a file with one JSON object per line. The file may not exist yet.

    Raises:
        TrainingError: the file is not a history.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: list[HistoryEntry] = []
        if path.exists():
            try:
                lines = read_file(path, MAX_BYTES, TrainingError).splitlines()
                # A line without its closing brace was cut off when the run was killed.
                self.entries = [msgspec.json.decode(line, type=HistoryEntry) for line in lines if line.endswith(b"}")]
            except (msgspec.MsgspecError, OSError, ValueError, RecursionError) as error:
                raise TrainingError(f"{path}: {one_line(error)}; remove the folder to start again") from error

    def append(self, step: int, training: Sums, validation: Sums | None, unread: tuple[str, ...] = ()) -> HistoryEntry:
        """Add an entry, dated now, and return it."""
        entry = HistoryEntry(step, time(), training, validation, unread)
        self.entries.append(entry)
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(entry) + b"\n")
        return entry

    def cut(self, length: int) -> None:
        """Remove all entries after the first ``length``, for a run that resumes from an older state."""
        self.entries = self.entries[:length]
        with atomic_write(self.path) as part:
            part.write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in self.entries))
