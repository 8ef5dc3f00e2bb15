"""A whole run: data, start, training, the rule for streams, and one file at the end."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
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
from edgeshift.artifact.description import NONE, RuleSpec
from edgeshift.checkpoints import load, save
from edgeshift.errors import TrainingError
from edgeshift.events.spotter import DEFAULT_RULE
from edgeshift.events.tuning import choose_rule
from edgeshift.gestures import STROKES, Event, Stroke, draw_stream, read_strokes
from edgeshift.models.network import ShiftNetwork
from edgeshift.training import Trained
from edgeshift.training.history import Entry, History
from edgeshift.training.recipe import Recipe
from edgeshift.training.sequences import DrawnSequences, Sequences
from edgeshift.training.start import starting_network
from edgeshift.training.trainer import CURVE, HISTORY, RESULT, Run, train
from edgeshift.training.videos import TRAIN, VALIDATION, LabelMap, VideoSequences, find_videos, labels_of
from edgeshift.video.fit import opencv

#: Seeds apart from those that are trained on (a run's seed) and those that are tested on.
VALIDATION_SEED, RULE_SEED = 700_000_000, 800_000_000
#: Streams that the rule is chosen on, their seconds, and the frames that fit into memory at once.
RULE_STREAMS, RULE_SECONDS, RULE_FRAMES = 40, 60.0, 600
#: Entries about earlier stages that a file keeps, out of 64 that it has room for.
EARLIER, BEFORE = 40, "before: "
#: Characters of an entry.
LONGEST = 4096


def run_and_save(
    recipe: Recipe,
    folder: Path,
    *,
    data: Path | None,
    strokes: Path | None,
    init: Path | None,
    past_only: bool,
    changes: LabelMap | None,
    resume: bool,
    device: str,
    workers: int,
    license: str | None,
    half: bool,
    report: Callable[[Entry], None],
) -> Trained:
    """``edgeshift.training.train``, which see."""
    keep_freed_memory()
    if device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("no GPU that this torch can use: leave --device out, or install a torch with CUDA")
    gestures = STROKES if strokes is None else STROKES | read_strokes(strokes)
    if data is not None and strokes is not None:
        raise TrainingError("--strokes are for drawn streams, --data is for videos: give one of them")
    learn, watch = _data(recipe, data, gestures, changes)
    start = starting_network(recipe, learn.labels, init, past_only=past_only)
    network = start.network
    words = "" if changes is None else f"mirrored {dict(changes.mirrored)}, reversed {dict(changes.reversed)}"
    run = Run(recipe, folder, start.words, learn, watch, device=device, workers=workers, changes=words)
    about: dict[str, Any] = {
        "labels": learn.labels,
        "frame_spacing": recipe.spacing,
        "frames": recipe.frames,
        "fit": "squash",
        "source": f"edgeshift train on {learn.source}",
        "license": license or start.license,
        "half": half,
        "training": {
            "data": learn.source,
            "validation": watch.source,
            "start": start.words,
            "changes": _short(words) or "none",
            "recipe": msgspec.json.encode(recipe).decode(),
            "seed": str(recipe.seed),
            "tools": ", ".join(
                (
                    f"edgeshift {__version__}",
                    f"python {platform.python_version()}",
                    f"torch {torch.__version__}",
                    f"numpy {np.__version__}",
                    f"opencv {opencv('training').__version__}",
                )
            ),
            **_before(start.training),
        },
    }
    with TemporaryDirectory() as trial:  # what cannot be saved is said now, and not after hours
        save(Path(trial) / RESULT, network, **about)
    result = folder / RESULT
    whole = _finished(folder, recipe) and result.is_file()
    history = train(run, network, resume=resume, report=report)
    if whole and not (half or license):
        return Trained(result, folder / CURVE, tuple(history.entries))  # nothing has changed
    if whole:
        rule = load(result).rule  # the same weights under other terms, or in another form
    elif recipe.bidirectional:
        rule = None
    else:
        rule = drawn_rule(network, recipe, gestures) if data is None else _usual(learn.labels)
    if unread := sum(len(line.unread) for line in history.entries):
        about["training"]["left out"] = f"{unread} clips that could not be read"
    save(result, network, rule=rule, **about)
    load(result)  # what was written must read back
    return Trained(result, folder / CURVE, tuple(history.entries))


def _data(
    recipe: Recipe, data: Path | None, strokes: Mapping[str, Stroke], changes: LabelMap | None
) -> tuple[Sequences, Sequences]:
    if data is None:
        if changes is not None:
            raise TrainingError("--mirror and --reverse are for videos: leave them out with drawn streams")
        return (
            DrawnSequences(recipe.frames, recipe.size, recipe.spacing, recipe.seed, strokes),
            DrawnSequences(recipe.frames, recipe.size, recipe.spacing, VALIDATION_SEED, strokes),
        )
    videos = find_videos(data)
    labels = labels_of(videos)
    learn = [video for video in videos if video.split == TRAIN]
    watch = [video for video in videos if video.split == VALIDATION]
    absent = set(labels) - {video.label for video in learn}
    if absent:
        raise TrainingError(f"{data}: no clip of {sorted(absent)[0]!r} is there to train on")
    numbers = (recipe.frames, recipe.size, recipe.spacing, recipe.seed)
    return (
        VideoSequences(learn, labels, *numbers, changes=changes),
        VideoSequences(watch, labels, *numbers, plain=True),
    )


def _finished(folder: Path, recipe: Recipe) -> bool:
    """Whether a run has taken all its steps already."""
    path = folder / HISTORY
    return path.is_file() and any(line.step >= recipe.steps for line in History(path).entries)


def _before(training: Mapping[str, str]) -> dict[str, str]:
    """What is said of the stages before. A file has room for so much: of many, the ones furthest back are left out."""
    found = sorted(training.items(), key=lambda item: item[0].count(BEFORE))
    kept = {f"{BEFORE}{name}"[:128]: text for name, text in found[:EARLIER]}
    left = len(found) - len(found[:EARLIER])
    return kept | ({f"{BEFORE}left out": f"{left} entries about the stages furthest back"} if left else {})


def _short(text: str) -> str:
    """As much as an entry holds, with a hash of the rest."""
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST - 100]}... sha256 {sha256(text.encode())}"


def _usual(labels: tuple[str, ...]) -> RuleSpec:
    """For videos, whose clips say nothing of what happens between them: what is assumed where nobody has chosen."""
    return msgspec.structs.replace(DEFAULT_RULE, none=NONE if NONE in labels else None)


def drawn_rule(
    network: ShiftNetwork,
    recipe: Recipe,
    strokes: Mapping[str, Stroke],
    *,
    count: int | None = None,
    advance: Callable[[], None] = lambda: None,
) -> RuleSpec:
    """Chosen on drawn streams that were not trained on: ``count`` of them, ``RULE_STREAMS`` if it is not given.

    advance: called after each.
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
    return choose_rule(streams, recipe.spacing, (*strokes, NONE))
