"""Checkpoints as training tools save them: prefixes, wrappers, moving averages, other objects, names of files."""

from __future__ import annotations

import argparse
import pickle
import re
import resource
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import Path, PurePosixPath

import foreign
import numpy as np
import pytest
import torch
from marker import Marker
from torch import Tensor

from edgeshift import checkpoints
from edgeshift.artifact.description import check_labels
from edgeshift.errors import CheckpointError
from edgeshift.models import ModelConfig, build

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def weights() -> State:
    """The tensors of a network of MIT's training script, without the prefix of DataParallel."""
    return {name.removeprefix("module."): tensor for name, tensor in foreign.mit().state_dict().items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "epoch_50.pth"


def prefixed(state: State, prefix: str) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def require_same(loaded: checkpoints.Checkpoint, weights: State) -> None:
    """Check that a checkpoint has the weights that were saved."""
    assert (loaded.layout, loaded.config.name, loaded.config.bidirectional) == (
        "mit-training",
        "tsm_mobilenet_v2",
        True,
    )
    (first, *_) = loaded.network.backbone.state_dict().values()
    assert torch.equal(first, weights["base_model.features.0.0.weight"])


@pytest.mark.parametrize(
    "prefix",
    ["", "module.", "model.", "net.", "_orig_mod.", "module._orig_mod.", "module.module.", "lightning.model.net."],
)
def test_a_prefix_that_all_names_share_is_stripped(weights: State, path: Path, prefix: str) -> None:
    torch.save({"state_dict": prefixed(weights, prefix), "epoch": 3}, path)
    require_same(checkpoints.load(path), weights)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: {"model_state": weights, "epoch": 1},
        lambda weights: {"net": weights, "acc": 0.9, "best": torch.tensor(0.9)},
        lambda weights: {"model": {"state_dict": weights}},
        lambda weights: {"student": weights, "optimizer": {"state": {0: {"step": torch.zeros(1)}}, "param_groups": []}},
    ],
    ids=["model_state", "net", "nested", "any other name"],
)
def test_the_dictionary_around_the_weights_is_opened(weights: State, path: Path, wrap) -> None:
    torch.save(wrap(weights), path)
    require_same(checkpoints.load(path), weights)


def test_several_sets_of_weights_without_a_known_name_are_an_error(weights: State, path: Path) -> None:
    torch.save({"student": weights, "teacher": weights}, path)
    with pytest.raises(
        CheckpointError, match=r"holds 2 sets of weights \('student', 'teacher'\); save the one to load"
    ):
        checkpoints.load(path)


def test_a_second_set_of_weights_is_left_out_with_a_note(weights: State, path: Path) -> None:
    torch.save({"model": weights, "model_ema": {name: tensor + 1 for name, tensor in weights.items()}}, path)
    loaded = checkpoints.load(path)
    require_same(loaded, weights)
    assert any("not used: 'model_ema'" in note for note in loaded.notes)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_companions_of_the_weights_are_left_out_with_a_note(weights: State, path: Path, prefix: str) -> None:
    """Moving averages of mmcv, weights of a loss, and the mean and standard deviation of mmengine."""
    averages = {f"ema_{name.replace('.', '_')}": tensor + 1 for name, tensor in weights.items()}
    others = {"data_preprocessor.mean": torch.zeros(3), "cls_head.loss_cls.class_weight": torch.ones(27)}
    torch.save({"meta": {}, "state_dict": {**prefixed({**weights, **others}, prefix), **averages}}, path)
    loaded = checkpoints.load(path)
    require_same(loaded, weights)
    assert any("not used" in note and f"({len(averages) + len(others)})" in note for note in loaded.notes)


@pytest.mark.parametrize(
    "value",
    [
        np.float64(71.3),
        np.zeros(3),
        argparse.Namespace(lr=0.1, nested=[argparse.Namespace()]),
        PurePosixPath("/x"),
        defaultdict(list, a=[1]),
        {"deep": [OrderedDict(a=argparse.Namespace())]},
        torch.optim.lr_scheduler.LambdaLR,
    ],
    ids=["numpy scalar", "numpy array", "Namespace", "Path", "defaultdict", "nested", "class"],
)
def test_objects_beside_the_weights_are_not_restored(weights: State, path: Path, value: object) -> None:
    torch.save({"state_dict": weights, "extra": value}, path)
    require_same(checkpoints.load(path), weights)


def test_nothing_beside_the_weights_runs(weights: State, path: Path) -> None:
    mark = path.with_name("executed")
    torch.save({"first": Marker(mark), "state_dict": weights, "last": [Marker(mark)]}, path)
    require_same(checkpoints.load(path), weights)
    assert not mark.exists()


def test_an_object_in_place_of_a_tensor_is_refused(weights: State, path: Path) -> None:
    mark = path.with_name("executed")
    torch.save({"state_dict": {**weights, "base_model.extra": Marker(mark)}}, path)
    with pytest.raises(CheckpointError, match=r"holds a Python object \('posix.system'\), which edgeshift does not"):
        checkpoints.load(path)
    assert not mark.exists()


@pytest.mark.parametrize("rounding", ["torchvision", "mit"])
@pytest.mark.parametrize("width", [0.1, 0.25, 0.62, 1.1, 1.2, 2.0])
def test_any_width_is_read_from_the_shapes(path: Path, width: float, rounding) -> None:
    network = build(ModelConfig("tsn", "mobilenet_v2", 5, width=width, rounding=rounding), seed=1)
    torch.save(network.backbone.state_dict(), path)
    loaded = checkpoints.load(path)
    shapes = {name: tensor.shape for name, tensor in loaded.network.backbone.state_dict().items()}
    assert shapes == {name: tensor.shape for name, tensor in network.backbone.state_dict().items()}


@pytest.mark.parametrize("data", ["ucf-101", "something.v2", "my data", "kinetics"])
def test_the_data_set_in_a_name_of_mit_may_have_any_characters(weights: State, path: Path, data: str) -> None:
    name = "TSM_{}_RGB_mobilenetv2_shift{}_blockres_avg_segment8_e100.pth"
    torch.save(weights, path.with_name(name.format(data, 8)))
    assert checkpoints.load(path.with_name(name.format(data, 8))).description.clip_frames == 8
    torch.save(weights, path.with_name(name.format(data, 4)))
    assert checkpoints.load(path.with_name(name.format(data, 4))).config.div == 4


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("TSM_k_Flow_mobilenetv2_shift8_blockres_avg_segment8_e50.pth", "Flow frames"),
        ("TSM_k_RGBDiff_mobilenetv2_shift8_blockres_avg_segment8_e50.pth", "RGBDiff frames"),
        ("TSM_k_RGB_mobilenetv2_shift8_blockres_identity_segment8_e50.pth", "the consensus 'identity'"),
    ],
)
def test_the_name_explains_tensors_that_do_not_match(weights: State, path: Path, name: str, part: str) -> None:
    """The tensors of such networks have other names and shapes, but the name of the file is the better reason."""
    changed = {re.sub(r"features\.(3|5)\.", r"features.\1.block.", key): tensor for key, tensor in weights.items()}
    changed["base_model.features.0.0.weight"] = torch.zeros(32, 10, 3, 3)
    torch.save(prefixed(changed, "module."), path.with_name(name))
    with pytest.raises(CheckpointError, match=f"its name says that it was trained with {part}"):
        checkpoints.load(path.with_name(name))


def test_a_label_for_two_outputs_is_refused() -> None:
    with pytest.raises(ValueError, match="label 'left' is given to two outputs: rename one of them"):
        check_labels(("left", "left", "up"), 3)


@pytest.mark.parametrize("label", ["چپ\u200cگرد", "🤷\u200d♂️", "à\u00a0droite", "向\u3000左"])
def test_spaces_and_joiners_in_labels_are_accepted(label: str) -> None:
    check_labels((label, "none"), 2)


def save_with_instructions(weights: State, path: Path, instructions: bytes) -> None:
    """Save weights and other objects, with additional instructions in the pickle."""
    torch.save({"state_dict": weights, "extra": [argparse.Namespace(), "PLACE"]}, path)
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    place = b"X\x05\x00\x00\x00PLACE"
    (pickled,) = (name for name in files if name.endswith("data.pkl"))
    assert place in files[pickled]
    files[pickled] = files[pickled].replace(place, instructions)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def test_classes_of_torch_are_not_changed(weights: State, path: Path) -> None:
    """The pickle pushes a class, pushes the state (None, {"harmed": True}), and sets the attributes of the class."""
    push_class, push_state = b"ctorch.nn.parameter\nParameter\n", b"N}X\x06\x00\x00\x00harmed\x88s\x86"
    save_with_instructions(weights, path, push_class + push_state + pickle.BUILD)
    require_same(checkpoints.load(path), weights)
    assert not hasattr(torch.nn.Parameter, "harmed")


def test_a_pickle_that_claims_much_memory_is_read_without_it(weights: State, path: Path) -> None:
    """The memo of the unpickler in C is an array. This instruction would make it larger than 16 GB."""
    save_with_instructions(weights, path, b"X\x01\x00\x00\x00a" + pickle.LONG_BINPUT + b"\xff\xff\xff\x7f")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    require_same(checkpoints.load(path), weights)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kilobytes
