"""Clip mode: bi-directional weights as one graph that takes all frames of a clip."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import networks
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import edgeshift
from edgeshift.checkpoints import Checkpoint
from edgeshift.checkpoints.source import untrained_source
from edgeshift.converters import ClipOptions, Options, convert
from edgeshift.models import build
from edgeshift.models.non_local import NonLocal
from edgeshift.models.untrained import initial_network
from edgeshift.runtimes.pytorch import reference
from edgeshift.stream.parity import MAX_ERROR, MIN_COSINE, MIN_FRAMES
from edgeshift.stream.selfcheck import check_frames, self_check
from edgeshift.targets import TARGETS

FRAMES = 4


def bidirectional(name: str) -> Checkpoint:
    """Return an untrained network whose shift reads the next frame as well as the previous one."""
    plain = untrained_source(name, size=64)
    config = msgspec.structs.replace(plain.config, bidirectional=True)
    network = build(config).eval()
    network.load_state_dict(plain.network.state_dict())
    return replace(plain, network=network)


@pytest.fixture(scope="module")
def tsm() -> Checkpoint:
    return bidirectional("tsm_mobilenet_v2")


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("target", [name for name, target in TARGETS.items() if not target.optional])
def test_a_clip_artifact_equals_the_clip_form(tsm, tmp_path, target, precision):
    path = tmp_path / f"a{TARGETS[target].suffix}"
    result = convert(tsm, target, path, Options(precision=precision, clip=ClipOptions(FRAMES, hop=3)))
    spec, parity = result.spec, result.spec.parity
    assert (spec.mode, spec.frames, spec.hop, spec.states) == ("clip", FRAMES, 3, ())
    assert parity is not None and parity.frames >= MIN_FRAMES and parity.cosine >= MIN_COSINE
    assert precision == "int8" or parity.max_error <= MAX_ERROR[precision]
    if target in ("tflite", "executorch"):
        assert (spec.graph.partitions, spec.graph.delegated) == (1, 1.0), spec.graph
    moves = {name: count for name, count in spec.graph.operators.items() if "transpose" in name.lower()}
    assert target not in ("tflite",) or not moves

    model = edgeshift.load(path)
    assert self_check(model).ok
    frames = check_frames(3, 9, 80, 60)
    stream = model.stream()
    answers = [stream.step(frame) for frame in frames]
    assert [bool(answer and answer.fresh) for answer in answers] == [index in (3, 6) for index in range(9)]
    original = reference(tsm, frames=FRAMES)
    expected, answer = original.clip(frames).logits, model.clip(frames).logits
    scale = float(np.ptp(expected))
    assert np.abs(answer - expected).max() < {"fp32": 1e-4, "fp16": 0.02, "int8": 0.3}[precision] * scale
    mirrored = model.clip(frames[:, :, ::-1]).logits
    assert np.abs(mirrored - answer).max() > 0.01 * scale


class Shifted(nn.Module):
    """A module of a user's own: an eighth of the channels from the next frame, and an eighth from the previous one."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        fold = x.shape[1] // 8
        y = torch.zeros_like(x)
        y[:-1, :fold] = x[1:, :fold]
        y[1:, fold : 2 * fold] = x[:-1, fold : 2 * fold]
        y[:, 2 * fold :] = x[:, 2 * fold :]
        return self.net(y)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_users_own_bidirectional_network(tmp_path, precision):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), Shifted(nn.Conv2d(16, 16, 3, 1, 1)), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5),
    )  # fmt: skip
    source = edgeshift.adopt(net, size=64, fit="squash", frame_spacing=0.1)
    options = Options(precision=precision, calibration="drawn", clip=ClipOptions(FRAMES))
    spec = convert(source, "tflite", tmp_path / "a.tflite", options).spec
    assert spec.model.bidirectional and spec.mode == "clip" and spec.hop == FRAMES // 2
    assert (spec.graph.partitions, spec.graph.delegated) == (1, 1.0) and "TRANSPOSE" not in spec.graph.operators
    frames = check_frames(3, FRAMES, 64, 64)
    pixels = (torch.from_numpy(frames).permute(0, 3, 1, 2).float() - source.network.normalise.mean) / (
        source.network.normalise.std
    )
    with torch.no_grad():
        expected = net.eval()(pixels).mean(0).numpy()
    logits = edgeshift.load(tmp_path / "a.tflite").clip(frames).logits
    assert np.abs(logits - expected).max() < {"fp32": 1e-4, "int8": 0.05}[precision] * np.ptp(expected)


def resnet(backbone: str, **variant: object) -> Checkpoint:
    """Return an untrained bi-directional ResNet, which may be a variant of the usual one."""
    plain = untrained_source("tsm_resnet18", size=64)
    config = msgspec.structs.replace(plain.config, backbone=backbone, bidirectional=True, **variant)
    return replace(plain, network=initial_network(config, networks.clips(2, 8, 64)))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_clip_of_resnet50_is_one_partition(tmp_path, precision):
    options = Options(precision=precision, calibration="drawn", clip=ClipOptions(FRAMES))
    spec = convert(resnet("resnet50"), "tflite", tmp_path / "a.tflite", options).spec
    assert (spec.graph.partitions, spec.graph.delegated) == (1, 1.0), spec.graph
    assert not {"TRANSPOSE", "QUANTIZE", "DEQUANTIZE"} & spec.graph.operators.keys()
    assert spec.parity.cosine >= MIN_COSINE and (precision == "int8" or spec.parity.max_error <= MAX_ERROR["fp32"])


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["tflite-fp32", "tflite-int8", "executorch-int8", "onnx-int8", "coreml-int8"])
def test_temporal_pooling_is_fast_in_int8_too(tmp_path, cell):
    """The maximum of two int8 tensors is no operator of XNNPACK, so it is computed as a max pooling."""
    target, precision = cell.split("-")
    options = Options(precision=precision, calibration="drawn", clip=ClipOptions(FRAMES))
    source = resnet("resnet18", temporal_pool=True)
    spec = convert(source, target, tmp_path / f"a{TARGETS[target].suffix}", options).spec
    assert spec.model.temporal_pool and spec.parity.frames >= MIN_FRAMES and spec.parity.cosine >= MIN_COSINE
    assert precision == "int8" or spec.parity.max_error <= MAX_ERROR[precision]
    if target in ("tflite", "executorch"):
        assert (spec.graph.partitions, spec.graph.delegated) == (1, 1.0), spec.graph
    assert target != "tflite" or not {"TRANSPOSE", "MAXIMUM"} & spec.graph.operators.keys()


@pytest.mark.slow
@pytest.mark.parametrize("target", ["tflite", "onnx", "coreml"])
def test_the_attention_of_non_local_blocks_stays_in_float(tmp_path, target):
    source = resnet("resnet50", non_local="embedded_gaussian")
    for module in source.network.modules():
        if isinstance(module, NonLocal):
            nn.init.constant_(module.norm.weight, 0.3)  # a new block does nothing
    path = tmp_path / f"a{TARGETS[target].suffix}"
    spec = convert(source, target, path, Options(calibration="drawn", clip=ClipOptions(FRAMES))).spec
    assert spec.parity.cosine >= MIN_COSINE
    operators = {name.upper(): count for name, count in spec.graph.operators.items()}
    # In float: an int8 softmax has another name in ONNX, and needs no DEQUANTIZE in TFLite. A program for Core ML has
    # one more softmax, which gives the probabilities.
    assert operators["SOFTMAX"] == (6 if target == "coreml" else 5)
    assert target != "tflite" or operators["DEQUANTIZE"] == 10
