"""A complete training run: data, starting weights, training, event rule, and one checkpoint at the end."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from edgeshift import __version__
from edgeshift._system.files import sha256
from edgeshift._system.memory import keep_freed_memory
from edgeshift._system.output_file import require_writable
from edgeshift._system.progress import Stages
from edgeshift.artifact.description import NONE, RuleSpec, WeightsSpec, describe_network
from edgeshift.checkpoints import load, save
from edgeshift.errors import TrainingError
from edgeshift.events.default_rule import default_rule
from edgeshift.events.tuning import choose_rule
from edgeshift.gestures import STROKES, Event, Stroke, draw_stream, read_strokes
from edgeshift.models.network import ShiftNetwork
from edgeshift.training import sound_rule
from edgeshift.training.folder import CURVE, HISTORY, RESULT, Run
from edgeshift.training.history import History, HistoryEntry
from edgeshift.training.recipe import Recipe
from edgeshift.training.sequences import DrawnSequences, Sequences
from edgeshift.training.sound_clips import ClipPairs, read_pairs
from edgeshift.training.sound_pairs import DrawnPairs, quiet_logits
from edgeshift.training.start import starting_network
from edgeshift.training.trainer import train_network
from edgeshift.training.videos import TRAIN, VALIDATION, LabelMap, VideoSequences, find_videos, labels_of
from edgeshift.video.fit import FrameSpec, opencv

#: Seeds of the drawn streams for validation and for tuning the event rule. The seeds of training streams are smaller.
VALIDATION_SEED, RULE_SEED = 700_000_000, 800_000_000
#: Number of streams that the event rule is tuned on, and their length in seconds.
RULE_STREAMS, RULE_SECONDS = 40, 60.0
#: Largest number of frames of such a stream, so that it fits into memory.
RULE_FRAMES = 600
#: Number of training records about earlier stages that a checkpoint keeps (of 64 in all), and prefix of their names.
EARLIER_ENTRIES, EARLIER = 40, "before: "
#: Largest number of characters of a training record.
MAX_TEXT = 4096


@dataclass(frozen=True)
class Trained:
    """A finished training run.

    Attributes:
        path: the resulting checkpoint, a safetensors file.
        curve: the plot of losses and accuracies. It is not drawn if matplotlib is not installed.
        history: the entries of the run; the last one has a validation.
    """

    path: Path
    curve: Path
    history: tuple[HistoryEntry, ...]

    @property
    def unread(self) -> tuple[str, ...]:
        """Clips that could not be read and were left out, one line each."""
        return tuple(line for entry in self.history for line in entry.unread)


def train(
    recipe: Recipe,
    folder: Path,
    *,
    data: Path | None = None,
    fps: float | None = None,
    strokes: Path | None = None,
    sound_data: Path | None = None,
    init: Path | None = None,
    past_only: bool = False,
    changes: LabelMap | None = None,
    resume: bool = False,
    device: str = "cpu",
    workers: int = 1,
    license: str | None = None,
    half: bool = False,
    stages: Stages | None = None,
    report: Callable[[HistoryEntry], None] = lambda _entry: None,
    note: Callable[[str], None] = lambda _line: None,
) -> Trained:
    """Train a model in a folder of its own, or resume a run that was interrupted there.

    Args:
        recipe: the hyperparameters.
        folder: the folder of the run. ``edgeshift.training.folder`` lists its files.
        data: a folder with one folder of videos per label, or a CSV (file,label[,split]); None: drawn streams of ten
            gestures.
        fps: frames per second of clips without times, such as folders of frames.
        strokes: a JSON file of further gestures to draw (``edgeshift.gestures.read_strokes``).
        sound_data: with ``data`` and a sound segment, a folder with one folder of .wav files per sound; None: the
            clips have sounds. The names of gestures and sounds in the recipe are replaced by those of the data.
        init: a checkpoint to start from, in any layout that edgeshift reads; None: random weights.
        past_only: ``init`` was trained past-only. The tensor names of MIT and mmaction2 do not show this.
        changes: the labels of mirrored and reversed clips; None: clips are neither mirrored nor reversed.
        resume: continue an interrupted run in ``folder``, which must have the same data, starting weights and recipe.
            Only the number of steps may be another one, above the steps that were taken.
        device: "cpu" or "cuda".
        workers: number of processes that prepare frames. If there are any, the calling script must be protected by
            ``if __name__ == "__main__":``, because these processes import it.
        license: licence of the result, stored in its file.
        half: store the weights of the result as float16. If the run in ``folder`` is already finished, ``half`` and
            ``license`` apply to its result, which is written again.
        stages: measures and shows progress.
        report: called with each new entry of the history.
        note: called with each fact about ``init`` that the file does not record and the run assumes.

    Raises:
        TrainingError: the data are not suitable, the folder holds another run, or the training fails.
        CheckpointError: ``init`` cannot be read, or the result cannot be saved.
        RuntimeMissingError: torch or safetensors is not installed.
    """
    keep_freed_memory()
    require_writable(folder, folder=True)
    stages = stages or Stages()
    if device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("torch finds no GPU: leave --device out, or install a torch with CUDA")
    gestures = STROKES if strokes is None else STROKES | read_strokes(strokes)
    if data is not None and strokes is not None:
        raise TrainingError("--strokes is for drawn streams and --data is for videos: give one of them")
    with stages.stage("read the data"):
        training_data, validation_data = _read_data(recipe, data, fps, gestures, changes, sound_data)
        if isinstance(training_data, ClipPairs):
            names = {"gestures": training_data.gestures, "sounds": training_data.sounds[:-1]}
            recipe = msgspec.structs.replace(recipe, **names)
        start = starting_network(recipe, training_data.labels, init, past_only=past_only)
    for line in start.notes:
        note(line)
    network, origin = start.network, start.description.weights
    changed = "" if changes is None else f"mirrored {dict(changes.mirrored)}, reversed {dict(changes.reversed)}"
    run = Run(
        recipe, folder, origin.source, training_data, validation_data, device=device, workers=workers, changes=changed
    )
    description = describe_network(
        network.config,
        labels=training_data.labels,
        frame=FrameSpec(recipe.size, recipe.size),
        weights=WeightsSpec(source=f"edgeshift train on {training_data.source}", license=license or origin.license),
        frame_spacing=recipe.spacing,
        clip_frames=recipe.frames,
    )
    training = {
        "data": training_data.source,
        "validation": validation_data.source,
        "start": origin.source,
        "changes": _shorten(changed) or "none",
        "recipe": msgspec.json.encode(recipe).decode(),
        "seed": str(recipe.seed),
        "tools": f"edgeshift {__version__}, python {platform.python_version()}, torch {torch.__version__}, "
        f"numpy {np.__version__}, opencv {opencv('training').__version__}",
        **_earlier_training(start.training),
    }
    with TemporaryDirectory() as trial:  # a result that cannot be saved must fail now, not after hours of training
        save(Path(trial) / RESULT, network, description, training=training, half=half)
    result = folder / RESULT
    finished = any(entry.step >= recipe.steps for entry in History(folder / HISTORY).entries)
    complete = finished and result.is_file()
    with stages.stage("train", recipe.steps) as advance:
        history = train_network(run, network, resume=resume, report=report, advance=advance)
    trained = Trained(result, folder / CURVE, tuple(history.entries))
    if complete and not (half or license):
        return trained
    if recipe.sound is not None:
        description = msgspec.structs.replace(description, quiet=quiet_logits(network))
    if complete:
        rule = load(result).description.rule  # only the licence or the precision of the file changes
    elif recipe.bidirectional:
        rule = None
    elif data is None and recipe.sound is None:
        with stages.stage("choose the event rule", RULE_STREAMS) as advance:
            rule = tune_on_drawn_streams(network, recipe, gestures, advance=advance)
    elif data is None and NONE in recipe.gestures:
        with stages.stage("choose the event rule", sound_rule.STREAMS) as advance:
            rule = sound_rule.tune_on_heard_streams(
                network, recipe, training_data.labels, description.quiet or (), advance=advance
            )
    else:  # `edgeshift rule` tunes one on clips that were not used for training
        rule = default_rule(training_data.labels, recipe.spacing, recipe.frames)
    if trained.unread:
        training["left out"] = f"{len(trained.unread)} clips that could not be read"
    save(result, network, description, rule=rule, training=training, half=half)
    load(result)  # check that the file can be read
    return trained


def tune_on_drawn_streams(
    network: ShiftNetwork,
    recipe: Recipe,
    strokes: Mapping[str, Stroke],
    *,
    count: int | None = None,
    advance: Callable[[], None] = lambda: None,
) -> RuleSpec:
    """Return the event rule that works best on drawn streams that the network was not trained on.

    Args:
        network: the trained network in evaluation mode.
        recipe: its recipe, for the size and spacing of the frames.
        strokes: the gestures to draw.
        count: number of streams; None: ``RULE_STREAMS``.
        advance: called after each stream.
    """
    streams: list[tuple[npt.NDArray[Any], npt.NDArray[Any], tuple[Event, ...]]] = []
    seconds = min(RULE_SECONDS, RULE_FRAMES * recipe.spacing)
    for index in range(RULE_STREAMS if count is None else count):
        drawn = draw_stream(
            RULE_SEED + index, seconds=seconds, spacing=recipe.spacing, size=recipe.size, strokes=strokes
        )
        clip = torch.from_numpy(drawn.frames).permute(0, 3, 1, 2)[None].float()
        with torch.inference_mode():
            streams.append((drawn.times, network(clip)[0].numpy(), drawn.events))
        advance()
    rule = choose_rule(streams, recipe.spacing, (*strokes, NONE))
    return msgspec.structs.replace(rule, origin=f"tuned on {len(streams)} drawn streams of {seconds:g} s")


def _read_data(
    recipe: Recipe,
    data: Path | None,
    fps: float | None,
    strokes: Mapping[str, Stroke],
    changes: LabelMap | None,
    sound_data: Path | None,
) -> tuple[Sequences, Sequences]:
    """Return the sequences to train on and the sequences to validate on."""
    if recipe.sound is not None and data is not None:
        return read_pairs(data, sound_data, fps, recipe.sound, recipe.size, recipe.spacing, recipe.seed)
    if recipe.sound is not None:
        pairs = (recipe.gestures, recipe.sounds, recipe.sound, recipe.size)
        return DrawnPairs(*pairs, recipe.seed, recipe.spacing), DrawnPairs(*pairs, VALIDATION_SEED, recipe.spacing)
    if data is None:
        if changes is not None:
            raise TrainingError("--mirror and --reverse are for videos: leave them out with drawn streams")
        return (
            DrawnSequences(recipe.frames, recipe.size, recipe.spacing, recipe.seed, strokes),
            DrawnSequences(recipe.frames, recipe.size, recipe.spacing, VALIDATION_SEED, strokes),
        )
    videos = find_videos(data, fps)
    labels = labels_of(videos)
    training = [video for video in videos if video.split == TRAIN]
    validation = [video for video in videos if video.split == VALIDATION]
    absent = set(labels) - {video.label for video in training}
    if absent:
        raise TrainingError(f"{data}: there is no clip of {min(absent)!r} to train on")
    numbers = (recipe.frames, recipe.size, recipe.spacing, recipe.seed)
    return (
        VideoSequences(training, labels, *numbers, changes=changes),
        VideoSequences(validation, labels, *numbers, validation=True),
    )


def _earlier_training(training: Mapping[str, str]) -> dict[str, str]:
    """Return the training records about earlier stages. If there are too many, the earliest stages are left out."""
    entries = sorted(training.items(), key=lambda item: item[0].count(EARLIER))
    kept = {f"{EARLIER}{name}"[:128]: text for name, text in entries[:EARLIER_ENTRIES]}
    left = len(entries[EARLIER_ENTRIES:])
    return kept | ({f"{EARLIER}left out": f"{left} entries about the earliest stages"} if left else {})


def _shorten(text: str) -> str:
    """Return a text unchanged, or cut to the length of a training record, with a hash of the whole text."""
    if len(text) <= MAX_TEXT:
        return text
    return f"{text[: MAX_TEXT - 100]}... sha256 {sha256(text.encode())}"
