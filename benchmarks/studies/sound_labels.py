"""The labels that artifacts give to drawn gestures with drawn sounds, and how often two artifacts differ.

    python -m edgeshift.benchmarks.studies.sound_labels F [G ...] [--clips N] [--json]

Each of N drawn gestures is paired with each of N drawn sounds that no training uses. The answer is
(v_1 + ... + v_T + w s) / (T + w), where v_t are the logits of a frame, s those of the sound, and w its weight, so each
frame and each sound is run once. Frames alone, or sounds alone, can classify at most one of as many pairs as there are
sounds, or gestures.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
import numpy.typing as npt
import typer

from edgeshift._system.progress import ProgressBars
from edgeshift.artifact.pair_label import gesture_and_sound
from edgeshift.benchmarks.accuracy.candidate import Candidate, open_candidate
from edgeshift.benchmarks.statistics import Share, share
from edgeshift.benchmarks.studies.command import Json, print_json, print_table, sound_stream, study
from edgeshift.errors import EdgeshiftError
from edgeshift.gestures import SPACING, STROKES
from edgeshift.sound import SoundSettings
from edgeshift.sound.drawn import SOUNDS
from edgeshift.stream.sound_stream import SoundStream

if TYPE_CHECKING:
    from edgeshift.training.sound_pairs import DrawnPairs

#: Seed of the gestures and sounds. ``edgeshift.benchmarks.studies.sound_norms`` has other seeds, and so has training.
SEED = 610_000_000
Logits = npt.NDArray[np.float32]


class LabelRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The accuracies of one artifact.

    Attributes:
        file, precision, runtime: the artifact.
        fused: share of the pairs that are classified correctly.
        frames_alone, sounds_alone: share of the pairs that frames or sounds classify correctly without the other.
        otherwise: share of the pairs that are classified otherwise than by the first artifact; None: it is the first.
    """

    file: str
    precision: str
    runtime: str
    fused: Share
    frames_alone: Share
    sounds_alone: Share
    otherwise: Share | None


class Answers(msgspec.Struct, frozen=True):
    """The labels of all pairs, [gestures, sounds]: by both together, by frames alone, and by sounds alone."""

    fused: npt.NDArray[np.intp]
    frames: npt.NDArray[np.intp]
    sounds: npt.NDArray[np.intp]


@study
def main(
    files: Annotated[list[Path], typer.Argument(metavar="F [G ...]", help="Artifacts or checkpoints that hear.")],
    clips: Annotated[int, typer.Option(min=1, max=10_000, help="Gestures, and sounds.")] = 300,
    as_json: Json = False,
) -> None:
    """Count the correct labels of drawn gestures with drawn sounds."""
    rows = measure(files, clips)
    print_json(rows) if as_json else print_table(COLUMNS, [cells(row) for row in rows])


def measure(files: list[Path], clips: int) -> list[LabelRow]:
    """Run all artifacts over the same gestures and sounds.

    Args:
        files: artifacts or checkpoints with the same labels and the same settings of the sound.
        clips: number of gestures, and of sounds.

    Raises:
        EdgeshiftError: a network has no sound segment that streams, or other labels or settings than the first one.
    """
    candidates = [open_candidate(path) for path in files]
    streams = [sound_stream(candidate.path, candidate.model, paced=False) for candidate in candidates]
    spec = candidates[0].model.spec
    settings = spec.model.sound
    assert settings is not None
    for candidate in candidates:
        other = candidate.model.spec
        if (other.labels, other.model.sound, other.frame.width) != (spec.labels, settings, spec.frame.width):
            raise EdgeshiftError(
                f"{candidate.path} has other labels or another sound segment than {candidates[0].path}"
            )
    data = _pairs(candidates[0], settings)
    count = len(data.sounds)
    frames: list[list[Logits]] = [[] for _ in streams]
    sounds: list[list[Logits]] = [[] for _ in streams]
    gestures, names = [], []
    with ProgressBars(live=False).stage("gestures and sounds", clips) as advance:
        for index in range(clips):
            drawn = data[index]
            assert drawn.heard is not None
            gestures.append(drawn.heard.gesture)
            names.append(drawn.heard.sound)
            for at, stream in enumerate(streams):
                stream.reset()
                frames[at].append(np.stack([_frame(stream, frame) for frame in drawn.frames]).mean(0))
                sounds[at].append(stream.answer_to(drawn.heard.picture).logits)
            advance()
    labels = np.array(gestures)[:, None] * count + np.array(names)[None]
    answers = [_answers(np.stack(v), np.stack(s), settings) for v, s in zip(frames, sounds, strict=True)]
    return [
        LabelRow(
            file=candidate.path.name,
            precision=candidate.model.spec.precision,
            runtime=candidate.model.runtime,
            fused=_share(own.fused == labels),
            frames_alone=_share(own.frames == labels),
            sounds_alone=_share(own.sounds == labels),
            otherwise=None if own is answers[0] else _share(own.fused != answers[0].fused),
        )
        for candidate, own in zip(candidates, answers, strict=True)
    ]


def _answers(frames: Logits, sounds: Logits, settings: SoundSettings) -> Answers:
    """Return the labels of all pairs, from the mean logits of the frames and the logits of the sounds, [N, classes]."""
    fused = settings.fuse(settings.frames * frames[:, None], settings.frames, sounds[None])
    shape = fused.shape[:2]
    return Answers(
        fused.argmax(2),
        np.broadcast_to(frames.argmax(1)[:, None], shape),
        np.broadcast_to(sounds.argmax(1)[None], shape),
    )


def _frame(stream: SoundStream, frame: npt.NDArray[np.uint8]) -> Logits:
    stream.step(frame)
    return stream.frame_logits


def _share(mask: npt.NDArray[np.bool_]) -> Share:
    return share(int(mask.sum()), mask.size)


def _pairs(candidate: Candidate, settings: SoundSettings) -> DrawnPairs:
    """Return the drawn pairs of the gestures and sounds that the labels name."""
    from edgeshift.training.sound_pairs import DrawnPairs

    spec = candidate.model.spec
    pairs = [gesture_and_sound(label, None) for label in spec.labels]
    sounds = list(dict.fromkeys(name for part in pairs for name in part if name in SOUNDS))
    gestures = list(dict.fromkeys(gesture for gesture, _ in pairs if gesture not in SOUNDS))
    if not sounds or any(gesture not in (*STROKES, "none") for gesture in gestures):
        raise EdgeshiftError(f"{candidate.path}: its labels are not pairs of drawn gestures and drawn sounds")
    data = DrawnPairs(gestures, sounds, settings, spec.frame.width, SEED, spec.frame_spacing or SPACING)
    if data.labels != spec.labels:
        raise EdgeshiftError(
            f"{candidate.path}: its labels are not all pairs of its gestures and sounds, in their order"
        )
    return data


COLUMNS = ("file", "precision", "frames and sound", "frames alone", "sounds alone", "answered otherwise")


def cells(row: LabelRow) -> tuple[str, ...]:
    """Return the cells of a row, in the order of ``COLUMNS``."""
    shares = (row.fused, row.frames_alone, row.sounds_alone, row.otherwise)
    return row.file, row.precision, *("" if each is None else f"{each.value:.2%}" for each in shares)


if __name__ == "__main__":
    sys.exit(main())
