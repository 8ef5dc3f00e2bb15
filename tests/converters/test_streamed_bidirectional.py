"""Bi-directional weights that are streamed: the zeros in place of future frames cost no operators."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from edgeshift.checkpoints import Checkpoint
from edgeshift.checkpoints.source import untrained_source
from edgeshift.converters import Options, convert
from edgeshift.models import build
from edgeshift.targets import TARGETS


@pytest.fixture(scope="module")
def source() -> Checkpoint:
    plain = untrained_source(size=64)
    config = msgspec.structs.replace(plain.config, bidirectional=True, streamed_bidirectional=True)
    network = build(config).eval()
    network.load_state_dict(plain.network.state_dict())
    return replace(plain, network=network)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("target", [name for name, target in TARGETS.items() if not target.optional])
def test_the_slot_of_the_future_needs_no_other_operators(made, source, tmp_path, target, precision):
    result = convert(source, target, tmp_path / f"a{TARGETS[target].suffix}", Options(precision=precision))
    past_only = made("tsm", precision, target).result
    assert result.spec.model.streamed_bidirectional and result.spec.parity is not None
    counts, usual = result.spec.graph.operators, past_only.spec.graph.operators
    kinds = ("transpose",) if target == "tensorrt" else ("transpose", "quantize")  # TensorRT folds pairs on constants
    moves = {name for name in counts | usual if any(kind in name.lower() for kind in kinds)}
    assert {name: counts.get(name, 0) for name in moves} == {name: usual.get(name, 0) for name in moves}
