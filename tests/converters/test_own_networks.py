"""Adopted networks through the converters: partitions, layers in float, the report of layers, states in attributes."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import msgspec
import pytest
import torch

import edgeshift
from edgeshift.artifact.file import read_artifact, write_artifact
from edgeshift.artifact.spec import PlaceSpec, StreamSpec
from edgeshift.checkpoints import Checkpoint
from edgeshift.converters import Options, convert
from edgeshift.converters.tflite.layers import compare_layers, worst_layers
from edgeshift.converters.tflite.target import export_float
from edgeshift.errors import ArtifactError, CheckFailedError, ConversionError
from edgeshift.shift import Row, ShiftTable
from edgeshift.stream.parity import parity_frames
from edgeshift.stream.selfcheck import self_check
from edgeshift.targets import find_target

sys.path.insert(0, str(Path(__file__).parents[1] / "checkpoints"))
import own_network_sources
import own_networks as nets

SIZE = 64
NETWORKS = {
    "resnet": nets.ResNet18,
    "mobilenet_v3": nets.mobilenet_v3_like,
    "efficientnet": nets.efficientnet_like,
}


@cache
def source(name: str) -> Checkpoint:
    return edgeshift.adopt(nets.settled(NETWORKS[name](), SIZE), size=SIZE)


@cache
def causal() -> Checkpoint:
    return own_network_sources.causal()


def converted(checkpoint: Checkpoint, target: str, folder: Path, **options: object) -> tuple[Path, StreamSpec]:
    path = folder / f"a{find_target(target).suffix}"
    result = convert(checkpoint, target, path, Options(calibration="drawn", **options))  # type: ignore[arg-type]
    return path, result.spec


@pytest.mark.parametrize("name", NETWORKS)
def test_one_partition_in_fp32_and_int8(tmp_path: Path, name: str):
    for precision in ("fp32", "int8"):
        path, spec = converted(source(name), "tflite", tmp_path, precision=precision)
        assert spec.graph is not None and spec.graph.partitions == 1 and spec.graph.delegated == 1.0
        assert "TRANSPOSE" not in spec.graph.operators and "HARD_SWISH" not in spec.graph.operators
        assert spec.problems == () and spec.parity is not None
        assert spec.parity.cosine > (0.99 if precision == "int8" else 0.9999)
        assert self_check(edgeshift.load(path)).ok


def test_a_resnet_passes_parity_in_int8(tmp_path: Path):
    _, spec = converted(source("resnet"), "tflite", tmp_path, precision="int8")
    assert spec.problems == () and spec.parity is not None and spec.parity.state_error < 0.25


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("target", ["onnx", "coreml", "executorch"])
def test_other_targets(tmp_path: Path, target: str, name: str):
    _, spec = converted(source(name), target, tmp_path, precision="fp32")
    assert spec.parity is not None and spec.parity.max_error < 1e-4
    if target == "executorch":
        assert spec.graph is not None and spec.graph.partitions == 1 and not spec.graph.outside
    if (target, name) == ("executorch", "efficientnet"):
        with pytest.raises(ConversionError, match="has no int8 form of Sigmoid in its XNNPACK back end"):
            converted(source(name), target, tmp_path, precision="int8")
        return
    _, spec = converted(source(name), target, tmp_path, precision="int8")
    assert spec.problems == ()
    if target == "executorch":
        assert spec.graph is not None and spec.graph.partitions == 1 and not spec.graph.outside
        assert "Convert" not in spec.graph.operators and spec.parity is not None and spec.parity.cosine > 0.99


def other(spec: StreamSpec, rows: tuple[Row, ...]) -> tuple[PlaceSpec, ...]:
    first, *rest = spec.shifts
    return (PlaceSpec.of(first.place, ShiftTable("x", first.channels, rows)), *rest)


def test_a_description_that_contradicts_its_states_is_refused(tmp_path: Path):
    path, spec = converted(source("resnet"), "tflite", tmp_path, precision="fp32")
    body, place = read_artifact(path).body, spec.shifts[0]
    overlapping = msgspec.structs.replace(place, rows=(*place.rows, *place.rows))
    changes = {
        "the model needs 4": {"shifts": other(spec, (Row(1, 0, 0, 0, 4),))},
        "the model needs 0": {"shifts": other(spec, ())},
        "16 channels in layer1_0_conv1": {"shifts": (overlapping, *spec.shifts[1:])},
        "differ from the graph's in state_layer1_0_conv1": {"shifts": spec.shifts[1:]},
        "differ from the graph's in state_seen": {"shifts": other(spec, (Row(1, 0, 0, 0, 2, "keep"),))},
    }
    for words, change in changes.items():
        write_artifact(tmp_path / "b.tflite", body, msgspec.structs.replace(spec, **change))
        with pytest.raises(ArtifactError, match="contradicts its graph") as caught:
            edgeshift.load(tmp_path / "b.tflite")
        assert words in str(caught.value), caught.value


def test_layers_stay_in_float(tmp_path: Path):
    path, spec = converted(source("resnet"), "tflite", tmp_path, precision="int8", float_layers=("layer4.*.conv2",))
    assert spec.graph is not None and spec.graph.operators["DEQUANTIZE"] == spec.graph.operators["QUANTIZE"] == 2
    assert edgeshift.load(path).spec.float_layers == ("layer4.*.conv2",)
    _, spec = converted(source("resnet"), "onnx", tmp_path, precision="int8", float_layers=("layer4.*.conv2",))
    assert spec.graph is not None
    assert sum(spec.graph.operators.get(kind, 0) for kind in ("Conv", "FusedConv")) == 2
    assert spec.graph.operators["QLinearConv"] == 18


@pytest.mark.parametrize("target", ["tflite", "onnx"])
def test_layers_that_do_not_exist_or_are_all(tmp_path: Path, target: str):
    with pytest.raises(ConversionError, match="unknown layer 'layer4"):
        converted(source("resnet"), target, tmp_path, precision="int8", float_layers=("layer4.7",))
    everything = ("conv1", "layer*", "fc")
    with pytest.raises(ConversionError, match="keeps every layer in float: use --precision fp32"):
        converted(source("resnet"), target, tmp_path, precision="int8", float_layers=everything)


def test_layers_in_float_are_refused_by_name_for_other_targets(tmp_path: Path):
    with pytest.raises(ConversionError, match="targets tflite, onnx, not for int8 of coreml"):
        converted(source("resnet"), "coreml", tmp_path, precision="int8", float_layers=("fc",))
    with pytest.raises(ConversionError, match="not for fp16 of tflite"):
        converted(source("resnet"), "tflite", tmp_path, precision="fp16", float_layers=("fc",))


@pytest.mark.filterwarnings("ignore::edgeshift.errors.ArtifactWarning")
def test_the_report_of_layers_finds_the_layer_that_is_made_bad(tmp_path: Path):
    """One channel is 300 times as large as the others, so that the int8 step is too large for them."""
    net = nets.settled(nets.ResNet18(), SIZE)
    bad = net.layer3[0].bn2
    with torch.no_grad():
        bad.weight[0] *= 300
        bad.bias[0] *= 300
        for reader in (net.layer3[1].conv1.net, net.layer4[0].conv1.net, net.layer4[0].downsample[0]):
            reader.weight[:, 0] /= 300
    checkpoint = edgeshift.adopt(net, size=SIZE)
    with pytest.raises(CheckFailedError, match=r"the layer that loses most is layer3\.0\S* .*--float-layers keeps it"):
        converted(checkpoint, "tflite", tmp_path, precision="int8")
    path, _ = converted(checkpoint, "tflite", tmp_path, precision="int8", force=True)
    original, step = export_float(checkpoint)
    errors = compare_layers(original, read_artifact(path).body, step, parity_frames(checkpoint.description.frame))
    assert worst_layers(errors, 1)[0].layer.startswith("layer3.0")
    assert max(error.error for error in errors if error.layer.startswith(("layer1", "layer2"))) < 0.5
    assert len(errors[0].frames) == 32
    layers = {error.layer for error in errors}
    assert layers >= {"conv1", "layer1.0.conv1", "layer4.1.conv2", "fc", "state_layer1_0_conv1"}


@pytest.mark.parametrize("target", ["tflite", pytest.param("onnx", marks=pytest.mark.slow)])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_states_in_attributes(tmp_path: Path, target: str, precision: str):
    path, spec = converted(causal(), target, tmp_path, precision=precision)
    assert spec.shifts == () and len(spec.states) == 12 and spec.model.name == "adopted_causal_network"
    assert spec.parity is not None and spec.parity.max_error < (1e-5 if precision == "fp32" else 1e-2)
    assert self_check(edgeshift.load(path)).ok


def test_states_that_grow_are_refused_where_their_type_cannot_hold_them(tmp_path: Path):
    with pytest.raises(ConversionError, match="int8 cannot hold state_blocks_0_gate_count"):
        converted(causal(), "tflite", tmp_path, precision="int8")
    with pytest.raises(ConversionError, match="coreml computes fp16 in float16, which cannot hold"):
        converted(causal(), "coreml", tmp_path, precision="fp16")
