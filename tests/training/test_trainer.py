"""Training runs reduce the loss, can be interrupted and resumed exactly, and each needs its own folder."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from edgeshift._system.output_file import require_writable
from edgeshift.artifact.description import NONE
from edgeshift.checkpoints import load, save
from edgeshift.errors import CheckpointError, EdgeshiftError, TrainingError
from edgeshift.gestures import STROKES
from edgeshift.models import BACKBONES, build
from edgeshift.models.config import ModelConfig
from edgeshift.models.network import ShiftNetwork
from edgeshift.training import Recipe, train
from edgeshift.training import run as run_module
from edgeshift.training.batches import Batch
from edgeshift.training.folder import CURVE, HISTORY, STATE, Run, recorded_recipe
from edgeshift.training.folder import RECIPE as RECIPE_FILE
from edgeshift.training.frame_targets import frame_targets
from edgeshift.training.history import HistoryEntry
from edgeshift.training.losses import TrainingNetwork
from edgeshift.training.sequences import DrawnSequences, Sequence
from edgeshift.training.start import starting_network
from edgeshift.training.trainer import train_network
from edgeshift.video.fit import FrameSpec

LABELS = (*STROKES, NONE)
RECIPE = Recipe(size=64, width=0.35, frames=4, batch=2, steps=30, seed=1, rate=2e-3)


class Interrupting(DrawnSequences):
    """Drawn sequences that send SIGTERM to the process when the sequence with index ``at`` is drawn."""

    at = -1

    def __getitem__(self, index: int) -> Sequence:
        if index == self.at:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().__getitem__(index)


def data(at: int = -1) -> Interrupting:
    sequences = Interrupting(RECIPE.frames, RECIPE.size, RECIPE.spacing, RECIPE.seed)
    sequences.at = at
    return sequences


def network() -> ShiftNetwork:
    return build(ModelConfig("tsm", "mobilenet_v2", 11, size=64, width=0.35), seed=1)


def run(folder: Path, at: int = -1, recipe: Recipe = RECIPE, start: str = "scratch") -> Run:
    return Run(recipe, folder, start, data(at), data(), validation_count=4, workers=0)


def ignore(_entry: HistoryEntry) -> None:
    pass


def test_a_resumed_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    uninterrupted, interrupted, resumed = network(), network(), network()
    expected = train_network(run(tmp_path / "uninterrupted"), uninterrupted, report=ignore).entries
    with pytest.raises(KeyboardInterrupt):
        train_network(run(tmp_path / "interrupted", at=2 * 27), interrupted, report=ignore)
    assert (tmp_path / "interrupted" / STATE).exists()
    entries = train_network(run(tmp_path / "interrupted"), resumed, resume=True, report=ignore).entries
    for name, tensor in uninterrupted.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    undated = [[msgspec.structs.replace(entry, clock=0.0) for entry in history] for history in (expected, entries)]
    assert undated[0] == undated[1]
    assert [entry.step for entry in entries] == [25, 30]
    assert (tmp_path / "interrupted" / HISTORY).read_bytes().count(b"\n") == 2
    assert (tmp_path / "interrupted" / CURVE).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("backbone", "init", "options"),
    [
        *((backbone, True, {}) for backbone in BACKBONES),
        ("resnet18", False, {"div": 4, "place": "block"}),
        ("resnet18", False, {"bidirectional": True}),
    ],
    ids=lambda value: (
        {True: "past-only from bidirectional", False: "from scratch"}.get(value) if isinstance(value, bool) else None
    ),
)
def test_every_backbone_resumes_with_the_same_weights(
    tmp_path: Path, backbone: str, init: bool, options: dict[str, object]
) -> None:
    """The run starts from random weights, or as a past-only network from bi-directional weights."""
    recipe = Recipe(model=f"tsm_{backbone}", size=64, frames=3, batch=1, steps=4, seed=1, **options)
    path = tmp_path / "both.safetensors" if init else None
    if path is not None:
        save(path, build(ModelConfig("tsm", backbone, 11, size=64, bidirectional=True), seed=3), labels=LABELS)

    def start() -> ShiftNetwork:
        network = starting_network(recipe, LABELS, path).network
        assert network.config.bidirectional == recipe.bidirectional
        assert (network.config.div, network.config.place) == (recipe.div or 8, recipe.place or "blockres")
        return network

    uninterrupted, resumed = start(), start()
    before = {name: tensor.clone() for name, tensor in uninterrupted.state_dict().items()}
    train_network(run(tmp_path / "uninterrupted", recipe=recipe), uninterrupted, report=ignore)
    with pytest.raises(KeyboardInterrupt):
        train_network(run(tmp_path / "interrupted", at=2, recipe=recipe), start(), report=ignore)
    train_network(run(tmp_path / "interrupted", recipe=recipe), resumed, resume=True, report=ignore)
    after = uninterrupted.state_dict()
    assert any(not torch.equal(tensor, before[name]) for name, tensor in after.items() if name.endswith("weight"))
    for name, tensor in after.items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_training_works_without_matplotlib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    train_network(run(tmp_path), network(), report=ignore)
    assert (tmp_path / STATE).exists() and not (tmp_path / CURVE).exists()
    note = capsys.readouterr().err
    assert note.count("\n") == 1 and "curve.png" in note and "matplotlib, which is not installed" in note


def test_a_folder_belongs_to_one_run(tmp_path: Path) -> None:
    short = msgspec.structs.replace(RECIPE, steps=1)
    train_network(run(tmp_path, recipe=short), network(), report=ignore)
    with pytest.raises(TrainingError, match="--resume"):
        train_network(run(tmp_path, recipe=short), network(), report=ignore)
    other = msgspec.structs.replace(short, rate=0.5, frames=RECIPE.frames + 1)
    with pytest.raises(TrainingError, match=rf"frames: {RECIPE.frames}, now {RECIPE.frames + 1}; rate: .*, now 0\.5\)"):
        train_network(run(tmp_path, recipe=other), network(), resume=True, report=ignore)
    with pytest.raises(TrainingError, match="start: scratch, now other"):
        train_network(run(tmp_path, recipe=short, start="other"), network(), resume=True, report=ignore)


def test_a_finished_run_can_be_extended(tmp_path: Path) -> None:
    train_network(run(tmp_path, recipe=msgspec.structs.replace(RECIPE, steps=3)), network(), report=ignore)
    steps: list[int] = []
    longer = msgspec.structs.replace(RECIPE, steps=6)
    history = train_network(
        run(tmp_path, recipe=longer), network(), resume=True, report=ignore, advance=lambda: steps.append(1)
    )
    assert [entry.step for entry in history.entries] == [3, 6] and history.entries[-1].validation is not None
    assert len(steps) == 6 and recorded_recipe(tmp_path)["steps"] == 6
    # The learning rates are those of a run of six steps, and the run can be resumed again without an option.
    state = torch.load(tmp_path / STATE, weights_only=True)
    assert state["schedule"]["total_steps"] == 6 and state["schedule"]["last_epoch"] == 6
    assert train_network(run(tmp_path, recipe=longer), network(), resume=True, report=ignore).entries == history.entries


def test_a_run_can_be_shortened_but_not_below_its_steps(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match="stopped after step 5 of 30, which is saved"):
        train_network(run(tmp_path, at=2 * 4), network(), report=ignore)
    with pytest.raises(TrainingError, match="is at step 5: give more than 5 --steps to extend it, or --steps 30"):
        train_network(
            run(tmp_path, recipe=msgspec.structs.replace(RECIPE, steps=5)), network(), resume=True, report=ignore
        )
    assert recorded_recipe(tmp_path)["steps"] == 30
    shorter = run(tmp_path, recipe=msgspec.structs.replace(RECIPE, steps=7))
    assert train_network(shorter, network(), resume=True, report=ignore).entries[-1].step == 7


@pytest.mark.parametrize("name", [RECIPE_FILE, STATE, HISTORY])
@pytest.mark.parametrize(
    "damage", [b"", b"{}", b"[]", b"null\n", b"\xff\xfe\x00", b"[" * 100_000, b'{"recipe": 3}', None]
)
def test_a_damaged_folder_gives_one_line(tmp_path: Path, name: str, damage: bytes | None) -> None:
    short = msgspec.structs.replace(RECIPE, steps=1)
    train_network(run(tmp_path, recipe=short), network(), report=ignore)
    if damage is None:  # a folder in place of the file
        (tmp_path / name).unlink()
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_bytes(damage)
    with pytest.raises(EdgeshiftError) as caught:
        train_network(run(tmp_path, recipe=short), network(), resume=True, report=ignore)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("[enforce fail at x.cc:424]")])
def test_a_full_disk_is_one_line_and_the_last_state_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_network(run(tmp_path, at=2 * 4), network(), report=ignore)
    saved = (tmp_path / STATE).read_bytes()

    def fail(_state: object, path: Path) -> None:
        path.write_bytes(b"half a state")
        raise error

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(TrainingError, match=r"last\.pt: cannot be written: .* is the disk full\? .*--resume"):
        train_network(run(tmp_path), network(), resume=True, report=ignore)
    assert (tmp_path / STATE).read_bytes() == saved
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(f".{STATE}")]


def test_a_folder_that_cannot_be_written_is_found_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EdgeshiftError, match=r"file is a file; give another path"):
        require_writable(tmp_path / "file" / "run", folder=True)
    require_writable(tmp_path / "new" / "run", folder=True)
    assert not (tmp_path / "new").exists()


class Broken(DrawnSequences):
    """Drawn sequences. The sequence with index 3 cannot be made."""

    def __getitem__(self, index: int) -> Sequence:
        if index == 3:
            raise TrainingError("clip 3 is broken")
        return super().__getitem__(index)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_sequence_that_cannot_be_made_ends_the_run_with_its_error(tmp_path: Path, workers: int) -> None:
    broken = Broken(RECIPE.frames, RECIPE.size, RECIPE.spacing, RECIPE.seed)
    with pytest.raises(TrainingError) as caught:
        train_network(
            Run(RECIPE, tmp_path, "scratch", broken, data(), validation_count=2, workers=workers),
            network(),
            report=ignore,
        )
    assert str(caught.value) == "clip 3 is broken"


class PartlyUnread(DrawnSequences):
    """Drawn sequences. Three of them name a clip that could not be read."""

    def __getitem__(self, index: int) -> Sequence:
        sequence = super().__getitem__(index)
        return replace(sequence, unread=(f"clip {index % 3} is broken",)) if index in (1, 2, 4) else sequence


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unread_clip_is_reported_once(tmp_path: Path, workers: int) -> None:
    sequences = PartlyUnread(RECIPE.frames, RECIPE.size, RECIPE.spacing, RECIPE.seed)
    run = Run(RECIPE, tmp_path, "scratch", sequences, data(), validation_count=2, workers=workers)
    history = train_network(run, network(), report=ignore)
    reported = [line for entry in history.entries for line in entry.unread]
    assert sorted(reported) == ["clip 1 is broken", "clip 2 is broken"]


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("stsm_mobilenet_v2", {}),
        ("tsam_mobilenet_v2", {}),
        ("tsn_mobilenet_v2", {}),
        ("tsm_mobilenet_v2", {"bidirectional": True}),
        ("tsm_resnet50", {}),
    ],
)
def test_every_kind_of_network_trains(tmp_path: Path, model: str, options: dict[str, object]) -> None:
    short = msgspec.structs.replace(RECIPE, model=model, steps=1, batch=1, width=1.0, **options)
    start = starting_network(short, LABELS, None).network
    before = {name: tensor.clone() for name, tensor in start.named_parameters()}
    train_network(Run(short, tmp_path, "scratch", data(), data(), validation_count=1, workers=0), start, report=ignore)
    not_trained = {id(p) for stage in TrainingNetwork(start, short, LABELS).frozen for p in stage.parameters()}
    frozen = {name for name, parameter in start.named_parameters() if id(parameter) in not_trained}
    assert frozen
    for name, tensor in start.named_parameters():
        assert torch.equal(tensor, before[name]) == (name in frozen), name


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    short = msgspec.structs.replace(RECIPE, steps=1)
    train_network(run(tmp_path, recipe=short), network(), report=ignore)
    (tmp_path / STATE).write_bytes(b"PK" + bytes(100))
    with pytest.raises(TrainingError, match="remove the folder"):
        train_network(run(tmp_path, recipe=short), network(), resume=True, report=ignore)


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path: Path) -> None:
    broken = network()
    with torch.no_grad():
        next(broken.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match="nan at step 1"):
        train_network(run(tmp_path), broken, report=ignore)


def test_gradients_reach_all_but_the_frozen_stages_and_the_loss_falls() -> None:
    training = TrainingNetwork(network(), RECIPE, LABELS)
    batch = Batch.of([data()[index] for index in range(4)]).to(torch.device("cpu"))
    optimizer = torch.optim.Adam([p for p in training.parameters() if p.requires_grad], 2e-3)
    first = None
    for _ in range(12):
        training.prepare(settled=False)
        losses = training.losses(batch)
        first = first if first is not None else float(losses["total"].detach())
        optimizer.zero_grad()
        losses["total"].backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert float(losses["total"].detach()) < 0.7 * first
    frozen = {id(p) for stage in training.frozen for p in stage.parameters()}
    for name, parameter in training.named_parameters():
        assert (parameter.grad is None) == (id(parameter) in frozen), name


def test_settled_batch_norms_do_not_update_their_statistics() -> None:
    training = TrainingNetwork(network(), RECIPE, LABELS)
    batch = Batch.of([data()[0]]).to(torch.device("cpu"))
    before = {name: tensor.clone() for name, tensor in training.network.named_buffers()}
    training.prepare(settled=True)
    training.losses(batch)
    assert all(torch.equal(tensor, before[name]) for name, tensor in training.network.named_buffers())
    training.prepare(settled=False)
    training.losses(batch)
    changed = {n for n, tensor in training.network.named_buffers() if not torch.equal(tensor, before[n])}
    assert changed
    assert not any(name.startswith(("backbone.features.0.", "backbone.features.1.")) for name in changed)


def test_a_frame_of_weight_zero_has_no_loss() -> None:
    training = TrainingNetwork(network(), msgspec.structs.replace(RECIPE, motion=0.0, dropout=0.0), LABELS)
    training.prepare(settled=True)
    sequence = data()[0]
    nothing = frame_targets(np.arange(4.0), [], ("left", "right"))
    batch = Batch.of([Sequence(sequence.frames, nothing, sequence.motion, sequence.motion_weights)])
    losses = training.losses(batch.to(torch.device("cpu")))
    assert float(losses["total"].detach()) == 0


def test_the_result_describes_its_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeshift.training.run.RULE_STREAMS", 1)
    monkeypatch.setattr("edgeshift.training.run.RULE_SECONDS", 6.0)
    monkeypatch.setattr("edgeshift.training.folder.Run.validation_count", 2)
    recipe = msgspec.structs.replace(RECIPE, steps=2)
    first_path = train(recipe, tmp_path / "first", workers=0, license="Apache-2.0").path
    first = load(first_path)
    facts = first.description
    assert facts.labels == LABELS and facts.weights.license == "Apache-2.0"
    assert (facts.frame_spacing, facts.frame) == (recipe.spacing, FrameSpec(64, 64, fit="squash"))
    assert facts.rule is not None and facts.rule.none == "none"
    assert first.training["start"] == "scratch, seed 1"
    assert msgspec.json.decode(first.training["recipe"], type=Recipe) == recipe
    # A run that starts from this result keeps its licence and the record of its training.
    arguments = (msgspec.structs.replace(recipe, seed=2), tmp_path / "second")
    path = train(*arguments, init=first_path, workers=0).path
    second = load(path)
    assert second.description.weights.license == "Apache-2.0"
    assert second.training["before: recipe"] == first.training["recipe"]
    assert second.training["start"].endswith("which started from scratch, seed 1")
    # If a finished run is resumed, its file is not changed.
    before = path.stat()
    assert train(*arguments, init=first_path, workers=0, resume=True).path == path
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    # Without further training, the file can be written again with another licence and as float16.
    train(*arguments, init=first_path, workers=0, resume=True, half=True, license="MIT")
    rewritten = load(path)
    assert (rewritten.description.weights.license, rewritten.training) == ("MIT", second.training)
    assert rewritten.description.rule == second.description.rule
    assert path.stat().st_size < 0.6 * before.st_size


def test_a_result_that_cannot_be_saved_fails_before_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="license"):
        train(RECIPE, tmp_path / "run", workers=0, license="two\nlines")
    assert not (tmp_path / "run" / HISTORY).exists()


def test_the_record_of_many_stages_fits_into_a_file(tmp_path: Path) -> None:
    record = {"data": "drawn", "recipe": "{}", "seed": "0", "start": "scratch", "tools": "torch"}
    record["changes"] = run_module._shorten("x" * 9000)
    for number in range(20):
        stage = {"data": f"stage {number}", "recipe": "{}", "start": "the stage before", "seed": "0", "tools": "torch"}
        record = stage | run_module._earlier_training(record)
    path = tmp_path / "a.safetensors"
    save(path, network(), training=record)
    kept = load(path).training
    assert kept["before: data"] == "stage 18" and kept["before: left out"].endswith("the earliest stages")
