"""Slot migration: a bi-directional network becomes the past-only one that computes the same without its future."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from edgeshift.errors import ModelError
from edgeshift.gestures import draw_clips
from edgeshift.models import ModelConfig, build
from edgeshift.models.network import Step
from edgeshift.models.slot_migration import past_first
from edgeshift.models.untrained import initial_network
from edgeshift.shift import ShiftTable


def largest(one: torch.Tensor, other: torch.Tensor) -> float:
    """Return the largest difference, as a share of the range of values."""
    return float((one - other).abs().max() / (one.max() - one.min()))


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "resnet50"])
@pytest.mark.parametrize("table", ["tsm", "tsam"])
def test_the_result_is_the_given_network_without_its_future(table: str, backbone: str) -> None:
    frames = np.stack([clip.frames for clip in draw_clips(2, frames=4, size=64)])
    clip = torch.from_numpy(frames).permute(0, 1, 4, 2, 3).float()
    given = initial_network(ModelConfig(table, backbone, 5, size=64, bidirectional=True), clip)
    with torch.no_grad():
        moved = past_first(given)
        whole = given(clip)
        for place, old in given.tables.items():
            rows = tuple(row for row in old.rows if row not in old.future)
            given.tables[place] = replace(old, rows=rows)
        without = given(clip)
        assert largest(moved(clip), without) < 1e-4
        assert largest(whole, without) > 1e-2  # the future matters
        for place, kept in given.tables.items():
            given.tables[place] = ShiftTable(kept.name, kept.channels, ())
        assert largest(moved(clip), given(clip)) > 1e-2  # the past matters as well


def test_the_result_streams() -> None:
    moved = past_first(build(ModelConfig("tsm", "mobilenet_v2", 5, size=64, bidirectional=True), seed=1))
    assert not moved.config.bidirectional
    step = Step(moved)
    assert len(step(torch.zeros(1, 3, 64, 64), *step.start())) == 11


def test_a_past_only_network_is_refused() -> None:
    with pytest.raises(ModelError, match="is already past-only"):
        past_first(build(ModelConfig("tsm", "mobilenet_v2", 5, size=64)))


def test_a_table_with_other_groups_is_refused() -> None:
    with pytest.raises(ModelError, match="cannot turn one into the other"):
        past_first(build(ModelConfig("stsm", "mobilenet_v2", 5, size=64, bidirectional=True)))
