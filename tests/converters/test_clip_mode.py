"""Clip mode: bi-directional weights as one graph that takes all frames of a clip."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

import edgeshift
from edgeshift.checkpoints import Checkpoint
from edgeshift.checkpoints.source import untrained_source
from edgeshift.converters import ClipOptions, Options, convert
from edgeshift.models import build
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


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("target", TARGETS)
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
