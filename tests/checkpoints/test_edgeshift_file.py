"""edgeshift's own weights file can be saved and loaded again, and its metadata are checked as untrusted input."""

from __future__ import annotations

import copy
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import foreign
import msgspec
import networks
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from edgeshift import checkpoints
from edgeshift.artifact.description import RuleSpec, WeightsSpec, numbered_labels
from edgeshift.checkpoints import edgeshift_file as own
from edgeshift.errors import CheckpointError
from edgeshift.models import ModelConfig
from edgeshift.models.deploy import deploy
from edgeshift.models.network import ShiftNetwork
from edgeshift.video.fit import FrameSpec


def network(config: ModelConfig | None = None) -> ShiftNetwork:
    """Return a new network whose logits depend on the frame."""
    return copy.deepcopy(networks.network(config or ModelConfig("tsm", "mobilenet_v2", 3)))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "saved.safetensors"
    checkpoints.save(path, network(), labels=["left", "right", "none"])
    return path


def test_public_names() -> None:
    names = ["Checkpoint", "LoadOptions", "load", "load_for_streaming", "require_packages", "save"]
    assert checkpoints.__all__ == names
    assert all(callable(getattr(checkpoints, name)) for name in names)


def test_importing_needs_no_torch() -> None:
    code = (
        "import sys, edgeshift.checkpoints; sys.exit(sum(m in sys.modules for m in ('torch', 'safetensors', 'numpy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig("tsm", "mobilenet_v2", 3, size=128, bidirectional=True, mean=(0, 0, 0), std=(255, 255, 255)),
        ModelConfig("tsm", "mobilenet_v2", 3, bidirectional=True, streamed_bidirectional=True),
        ModelConfig("tsam", "mobilenet_v2", 3, depth=3, fill="zero", width=1.4, rounding="mit"),
        ModelConfig("stsm", "resnet50", 3),
    ],
)
def test_round_trip(config: ModelConfig, tmp_path: Path) -> None:
    source = network(config)
    path = tmp_path / "own.safetensors"
    digest = checkpoints.save(
        path,
        source,
        labels=["ничего", "左", "right hand"],
        frame_spacing=0.4,
        clip_frames=8,
        consensus="last",
        frame=FrameSpec(config.size, config.size, order="bgr"),
    )
    loaded = checkpoints.load(path)
    description = loaded.description

    assert loaded.config == config and loaded.layout == "edgeshift"
    assert description.weights.sha256 == digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert description.labels == ("ничего", "左", "right hand")
    assert (description.frame_spacing, description.clip_frames, description.consensus) == (0.4, 8, "last")
    assert (description.frame.order, description.frame.fit, description.weights.trained) == ("bgr", "squash", True)
    frames = foreign.clip()[None]
    with torch.no_grad():
        expected = source(frames)
        assert expected.std(1).min() > 0.02
        assert torch.equal(loaded.network(frames), expected)
    if config.bidirectional:
        assert checkpoints.load(path, stream_bidirectional=True).config.streamed_bidirectional


RULE = RuleSpec(window=4, threshold=0.6, hold_off=1.5, none="none")
TRAINING = {"data": "drawn streams, sha256 0123", "seed": "7", "torch": "2.9.0"}


def test_rule_and_training_are_saved(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    checkpoints.save(path, network(), labels=["left", "right", "none"], rule=RULE, training=TRAINING)
    loaded = checkpoints.load(path)
    assert (loaded.description.rule, loaded.training) == (RULE, TRAINING)
    spec = checkpoints.load(path, size=64).describe("test")
    assert spec.rule == RULE
    # If the outputs are renamed, so is the rule's label for no gesture.
    renamed = checkpoints.load(path, labels=["links", "rechts", "nichts"]).description.rule
    assert renamed is not None and renamed.none == "nichts"
    # An untrained head has no rule.
    assert checkpoints.load(path, new_head=5).description.rule is None


def test_rule_and_training_are_optional(saved: Path) -> None:
    loaded = checkpoints.load(saved)
    assert loaded.description.rule is None and loaded.training == {}
    with safe_open(saved, "pt") as file:
        meta = json.loads(file.metadata()["edgeshift"])
    del meta["rule"], meta["training"]
    assert msgspec.json.decode(json.dumps(meta), type=own.Metadata).rule is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"rule": RuleSpec(window=4, threshold=0.6, none="idle")}, "'idle', is not one of the labels"),
        ({"rule": RuleSpec(window=0, threshold=0.6)}, "rule.window"),
        ({"rule": RuleSpec(window=4, threshold=float("nan"))}, "rule.threshold"),
        ({"rule": RULE, "labels": ["a", "b", "c"]}, "is not one of the labels"),
        ({"training": {"data": "two\nlines"}}, "training"),
        ({"training": {"data": "\x1b[2J"}}, "training"),
        ({"training": {"": "x"}}, "training"),
        ({"training": {"data": "x" * 4097}}, "training"),
        ({"training": {str(i): "x" for i in range(65)}}, "training"),
        ({"training": {"seed": 7}}, "training"),
    ],
)
def test_an_invalid_rule_or_training_record_is_refused(options: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be saved") as caught:
        checkpoints.save(tmp_path / "own.safetensors", network(), **{"labels": ["left", "right", "none"], **options})
    assert reason in str(caught.value) and str(caught.value).isprintable()
    assert not list(tmp_path.iterdir())


def test_saving_gives_the_same_bytes_every_time_and_leaves_no_temporary_files(tmp_path: Path) -> None:
    source = network()
    digests = {checkpoints.save(tmp_path / "a.safetensors", source) for _ in range(2)}
    digests.add(checkpoints.save(tmp_path / "b.safetensors", source))
    assert len(digests) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.safetensors", "b.safetensors"]


def test_other_tools_can_read_it(saved: Path) -> None:
    """The tensor names are torchvision's, and the safetensors library reads the metadata."""
    assert set(load_file(saved)) == set(foreign.torchvision().state_dict())
    with safe_open(saved, "pt") as file:
        assert json.loads(file.metadata()["edgeshift"])["config"]["table"] == "tsm"


def test_half_and_training_networks_are_saved_as_float32(tmp_path: Path) -> None:
    checkpoints.save(tmp_path / "h.safetensors", network().half().train())
    assert {t.dtype for t in load_file(tmp_path / "h.safetensors").values()} == {torch.float32, torch.int64}


def test_untrained_weights_are_marked(tmp_path: Path) -> None:
    checkpoints.save(tmp_path / "u.safetensors", network(), weights=WeightsSpec(source="", trained=False))
    loaded = checkpoints.load(tmp_path / "u.safetensors")
    assert not loaded.description.weights.trained and "not trained as this model" in loaded.notes[0]


def test_options_that_contradict_the_file(saved: Path) -> None:
    same = checkpoints.load(saved, model="tsm_mobilenet_v2", bidirectional=False)
    assert same.description.labels == ("left", "right", "none")
    assert checkpoints.load(saved, labels=["a", "b", "c"]).description.labels == ("a", "b", "c")
    assert checkpoints.load(saved, new_head=7).description.labels == numbered_labels(7)
    with pytest.raises(CheckpointError, match="was trained as tsm_mobilenet_v2 and would give wrong answers as stsm"):
        checkpoints.load(saved, model="stsm_mobilenet_v2")
    with pytest.raises(
        CheckpointError, match="was saved as a past-only tsm_mobilenet_v2; leave bidirectional=True out"
    ):
        checkpoints.load(saved, bidirectional=True)


def test_weights_without_a_shift_load_as_any_table(tmp_path: Path) -> None:
    checkpoints.save(tmp_path / "tsn.safetensors", network(ModelConfig("tsn", "mobilenet_v2", 3)))
    loaded = checkpoints.load_for_streaming(tmp_path / "tsn.safetensors", model="tsm_mobilenet_v2")
    assert loaded.config.table == "tsm" and not loaded.description.weights.trained


class TestSaveRefuses:
    """No file is written that could not be loaded again."""

    def refuses(self, path: Path, source: ShiftNetwork, reason: str, **facts: Any) -> None:
        with pytest.raises(CheckpointError) as caught:
            checkpoints.save(path, source, **facts)
        assert reason in str(caught.value) and str(caught.value).isprintable()
        assert not path.exists() and not path.is_symlink()

    @pytest.mark.parametrize(
        ("facts", "reason"),
        [
            ({"labels": ["a"]}, "cannot be saved: 1 labels for 3 outputs"),
            ({"labels": ["a", "b", "\x1b[2J"]}, "label '\\x1b[2J' is not 1 to 256 printable characters"),
            ({"labels": ["a", "b", ""]}, "label '' is not 1 to 256 printable characters"),
            ({"labels": ["a", "b", 3]}, "label 3 is not 1 to 256 printable characters"),
            ({"frame_spacing": 0.0}, "Expected `float` >= 0.001 - at `$.frame_spacing`"),
            ({"frame_spacing": float("nan")}, "cannot be saved: frame_spacing nan is not a number of seconds"),
            ({"clip_frames": 0}, "Expected `int` >= 1 - at `$.frames`"),
            ({"frame": FrameSpec(96, 96)}, "cannot be saved: frames of 96x96 pixels for a network of 224x224"),
            ({"license": "MIT"}, "cannot be saved: "),
            ({"consensus": "max"}, "Invalid enum value 'max' - at `$.consensus`"),
        ],
    )
    def test_description(self, tmp_path: Path, facts: dict[str, Any], reason: str) -> None:
        self.refuses(tmp_path / "w.safetensors", network(), reason, **facts)

    def test_not_finite(self, tmp_path: Path) -> None:
        source = network()
        source.backbone.get_parameter("classifier.1.bias").data[0] = float("nan")
        self.refuses(tmp_path / "w.safetensors", source, "classifier.1.bias holds NaN or infinity; the training failed")

    def test_deployed_form(self, tmp_path: Path) -> None:
        folded = deploy(network()).network
        self.refuses(tmp_path / "w.safetensors", folded, "save the network before it is deployed")

    def test_parent_that_is_not_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("kept")
        self.refuses(tmp_path / "file" / "w.safetensors", network(), "cannot be written: ")
        assert (tmp_path / "file").read_text() == "kept"

    def test_the_old_file_is_kept_if_the_disk_is_full(
        self, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "w.safetensors"
        path.write_bytes(saved.read_bytes())

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(CheckpointError, match=r"w.safetensors: cannot be written: .*No space left on device"):
            checkpoints.save(path, network())
        assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]
        assert checkpoints.load(path).layout == "edgeshift"


class TestHostileMetadata:
    """The description inside the file is untrusted."""

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda d: "{", "its description is not valid: Input data was truncated; save it again"),
            (lambda d: "[]", "its description is not valid: Expected `object`, got `array`; save it again"),
            (lambda d: "[" * 5000, "its description is not valid: "),
            (
                lambda d: {**d, "version": 2},
                "its description has version 2, this edgeshift reads version 1; update edgeshift",
            ),
            (
                lambda d: {**d, "run": "rm"},
                "its description is not valid: Object contains unknown field `run`; save it again",
            ),
            (lambda d: {**d, "labels": ["a", "b", "\x1b[2J"]}, "label '\\x1b[2J' is not 1 to 256 printable characters"),
            (lambda d: {**d, "labels": ["a"]}, "1 labels for 3 outputs"),
            (lambda d: {**d, "trained": "yes"}, "Expected `bool`, got `str` - at `$.trained`"),
            (lambda d: config(d, table="evil"), "unknown shift table 'evil'"),
            (lambda d: config(d, width=1e9), "Expected `float` <= 8.0 - at `$.config.width`"),
            (lambda d: config(d, classes=4), "3 labels for 4 outputs"),
            (lambda d: config({**d, "labels": None}, classes=4), "says 4 outputs, its head has 3; save it again"),
            (lambda d: config(d, width=8.0), "has shape [32, 3, 3, 3], not [256, 3, 3, 3] at width 8"),
            (lambda d: config(d, backbone="resnet50"), "tensor 'conv1.weight' is missing"),
            (lambda d: config(d, table="tsam", depth=64), "cannot be loaded as tsam_mobilenet_v2: "),
        ],
    )
    def test_refused(self, saved: Path, tmp_path: Path, change: Any, reason: str) -> None:
        with safe_open(saved, "pt") as file:
            description = json.loads(file.metadata()["edgeshift"])
        changed = change(description)
        path = tmp_path / "w.safetensors"
        save_file(load_file(saved), path, {"edgeshift": changed if isinstance(changed, str) else json.dumps(changed)})
        with pytest.raises(CheckpointError) as caught:
            checkpoints.load(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ") and reason in message and message.isprintable()

    def test_too_long(self, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(own, "MAX_METADATA", 100)
        with pytest.raises(CheckpointError, match=r"its description is \d+ characters; the limit is 100"):
            checkpoints.load(saved)
        with pytest.raises(CheckpointError, match=r"cannot be saved: its description is \d+ bytes; the limit is 100"):
            checkpoints.save(tmp_path / "w.safetensors", network())

    def test_missing_tensor(self, saved: Path, tmp_path: Path) -> None:
        tensors = load_file(saved)
        del tensors["features.18.1.weight"]
        with safe_open(saved, "pt") as file:
            save_file(tensors, tmp_path / "w.safetensors", file.metadata())
        with pytest.raises(
            CheckpointError, match=r"w.safetensors: tensor 'features.18.1.weight' is missing; read as edge"
        ):
            checkpoints.load(tmp_path / "w.safetensors")


def config(description: dict[str, Any], **fields: object) -> dict[str, Any]:
    return {**description, "config": {**description["config"], **fields}}
