"""Slot migration: the past-only result computes the same as the bi-directional network without its future channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from edgeshift.errors import ModelError
from edgeshift.gestures import draw_clips
from edgeshift.models import BACKBONES, ModelConfig, build
from edgeshift.models.network import Step
from edgeshift.models.slot_migration import past_first
from edgeshift.models.untrained import initial_network
from edgeshift.shift import ShiftTable


def largest(first: torch.Tensor, second: torch.Tensor) -> float:
    """Return the largest difference, as a share of the range of the first tensor."""
    return float((first - second).abs().max() / (first.max() - first.min()))


@pytest.mark.parametrize(
    ("backbone", "options"),
    [
        *((backbone, {}) for backbone in BACKBONES),
        ("resnet18", {"place": "block"}),
        ("resnet50", {"place": "block"}),
        ("mobilenet_v2", {"div": 4}),
        ("resnet50", {"non_local": "embedded_gaussian"}),
        ("resnet50", {"non_local": "gaussian"}),
        ("resnet18", {"temporal_pool": True}),
    ],
    ids=lambda value: value if isinstance(value, str) else ",".join(map(str, value.values())),
)
@pytest.mark.parametrize("table", ["tsm", "tsam"])
def test_the_result_is_the_given_network_without_its_future(table: str, backbone: str, options: dict[str, Any]) -> None:
    frames = np.stack([clip.frames for clip in draw_clips(2, frames=4, size=64)])
    clip = torch.from_numpy(frames).permute(0, 1, 4, 2, 3).float()
    given = initial_network(ModelConfig(table, backbone, 5, size=64, bidirectional=True, **options), clip)
    with torch.no_grad():
        result = past_first(given)(clip)
        with_future = given(clip)
        for place, old in given.tables.items():
            given.tables[place] = replace(old, rows=tuple(row for row in old.rows if row not in old.future))
        without_future = given(clip)
        # Attention over untrained features amplifies rounding.
        assert largest(result, without_future) < (1e-3 if given.config.non_local else 1e-4)
        assert largest(with_future, without_future) > 1e-2, "the logits must depend on the future"
        for place, old in given.tables.items():
            given.tables[place] = ShiftTable(old.name, old.channels, ())
        assert largest(result, given(clip)) > 1e-2, "the logits must depend on the past"


def test_the_result_streams() -> None:
    result = past_first(build(ModelConfig("tsm", "mobilenet_v2", 5, size=64, bidirectional=True), seed=1))
    assert not result.config.bidirectional
    step = Step(result)
    assert len(step(torch.zeros(1, 3, 64, 64), *step.start())) == 11


def test_a_past_only_network_is_refused() -> None:
    with pytest.raises(ModelError, match="is already past-only"):
        past_first(build(ModelConfig("tsm", "mobilenet_v2", 5, size=64)))


def test_a_table_whose_forms_give_other_numbers_of_channels_to_the_past_is_refused() -> None:
    with pytest.raises(ModelError, match="cannot turn one into the other"):
        past_first(build(ModelConfig("stsm", "mobilenet_v2", 5, size=64, bidirectional=True)))
