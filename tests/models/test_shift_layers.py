"""Both tensor forms of a shift table, compared with a reference that looks up the neighbour of each single value."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgeshift.errors import ShiftError
from edgeshift.models.shift_layers import StepShift, shift_clip
from edgeshift.shift import Row, ShiftTable, stsm, tsam, tsm, tsn

PAST = {
    "tsn": tsn(5),
    "tsm": tsm(19),
    "tsm keep": tsm(19, fill="keep"),
    "stsm": stsm(35),
    "stsm keep": stsm(35, fill="keep"),
    "stsm 16": stsm(16),
    "tsam 1": tsam(17, depth=1),
    "tsam 2": tsam(17, depth=2),
    "tsam 2 zero": tsam(17, depth=2, fill="zero"),
    "tsam 4": tsam(34, depth=4),
    "tsam 4 zero": tsam(34, depth=4, fill="zero"),
    "tsm streamed": tsm(19, bidirectional=True).past_only(),
    "stsm streamed": stsm(35, bidirectional=True).past_only(),
    "stsm streamed keep": stsm(35, bidirectional=True, fill="keep").past_only(),
    "tsam streamed": tsam(34, depth=2, bidirectional=True, fill="zero").past_only(),
    "diagonal": ShiftTable("diagonal", 6, (Row(0, 1, -1, 1, 2), Row(0, -1, 1, 3, 4), Row(1, 0, 0, 4, 6))),
    "far in space": ShiftTable("far", 6, (Row(0, 2, 0, 0, 1), Row(0, -9, 0, 1, 2), Row(0, 0, -3, 2, 3, "keep"))),
    "mixed fill": ShiftTable("mixed", 7, (Row(2, 0, 0, 0, 2), Row(1, 0, 0, 3, 4, "keep"), Row(0, 0, 1, 5, 7, "keep"))),
    "two convolutions": ShiftTable("two", 8, (Row(0, 1, 0, 0, 1), Row(1, 0, 0, 2, 4), Row(0, 0, 1, 6, 7))),
    "everything": ShiftTable("everything", 3, (Row(1, 0, 0, 0, 3),)),
}
BIDIRECTIONAL = {
    "tsm both": tsm(19, bidirectional=True),
    "tsm both keep": tsm(19, bidirectional=True, fill="keep"),
    "stsm both": stsm(35, bidirectional=True),
    "stsm both keep": stsm(35, bidirectional=True, fill="keep"),
    "tsam both 1": tsam(17, depth=1, bidirectional=True),
    "tsam both 2 zero": tsam(34, depth=2, bidirectional=True, fill="zero"),
    "tsam both 4": tsam(34, depth=4, bidirectional=True),
}
ALL = {**PAST, **BIDIRECTIONAL}
SIZES = [(5, 7), (1, 1), (2, 3)]


def features(table: ShiftTable, frames: int, height: int, width: int, batch: int = 2) -> np.ndarray:
    """Return [batch, frames, C, height, width]. All values differ from each other and from zero."""
    count = batch * frames * table.channels * height * width
    values = np.random.default_rng(count).permutation(count) + 1.0
    return values.reshape(batch, frames, table.channels, height, width).astype(np.float32)


def look_up(x: np.ndarray, table: ShiftTable) -> np.ndarray:
    """Apply the definition of a shift table to each single value."""
    rows = {channel: row for row in table.rows for channel in range(row.start, row.stop)}
    y = np.empty_like(x)
    _, frames, _, height, width = x.shape
    for n, t, c, h, w in np.ndindex(*x.shape):
        row = rows.get(c)
        if row is None:
            y[n, t, c, h, w] = x[n, t, c, h, w]
            continue
        exists = False
        if row.dt is not None:
            s, i, j = t - row.dt, h - row.dh, w - row.dw
            exists = 0 <= s < frames and 0 <= i < height and 0 <= j < width
        if exists:
            y[n, t, c, h, w] = x[n, s, c, i, j]
        else:
            y[n, t, c, h, w] = x[n, t, c, h, w] if row.fill == "keep" else 0
    return y


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
@pytest.mark.parametrize("name", ALL)
def test_clip_form(name, size):
    for frames in (6, 1):
        x = features(ALL[name], frames, *size)
        assert np.array_equal(shift_clip(torch.from_numpy(x), ALL[name]).numpy(), look_up(x, ALL[name]))


def test_clip_form_of_an_empty_table_is_the_input_itself():
    x = torch.ones(1, 2, 5, 3, 3)
    assert shift_clip(x, tsn(5)) is x


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "x".join(map(str, size)))
@pytest.mark.parametrize("name", PAST)
def test_step_form(name, size):
    table = PAST[name]
    x = features(table, 6, *size)
    expected = look_up(x, table)
    step = StepShift(table)
    state = torch.zeros(2, table.state_channels, *size) if table.state_channels else None
    seen = torch.zeros(2, table.depth, 1, 1) if table.counts_frames else None
    for t in range(6):
        y, next_state = step(torch.from_numpy(x[:, t]), state, seen)
        assert np.array_equal(y.numpy(), expected[:, t]), t
        assert (next_state is None) == (state is None)
        if next_state is not None:
            assert next_state.shape == state.shape
            state = next_state.clone()
        if seen is not None:
            seen[:, min(t, table.depth - 1)] = 1


def test_the_state_is_ordered_by_age():
    """With depth 2 it is [age 1 of both rows | age 2 of the second row]."""
    table = tsam(16, depth=2, fill="zero")
    step = StepShift(table)
    state = torch.zeros(1, 3, 1, 1)
    first, second = (torch.arange(16.0).reshape(1, 16, 1, 1) + 100 * t for t in (1, 2))
    y, state = step(first, state)
    assert state.flatten().tolist() == [100, 101, 0]
    assert y.flatten().tolist()[:3] == [0, 0, 102]
    y, state = step(second, state)
    assert state.flatten().tolist() == [200, 201, 101]
    assert y.flatten().tolist()[:3] == [100, 0, 202]
    y, state = step(second, state)
    assert y.flatten().tolist()[:3] == [200, 101, 202]


@pytest.mark.parametrize("name", ["tsm", "tsam 4 zero", "stsm"])
def test_step_form_does_not_write_into_its_arguments(name):
    table = PAST[name]
    x = torch.from_numpy(features(table, 1, 5, 7))[:, 0]
    state = torch.full((2, table.state_channels, 5, 7), 7.0)
    before = x.clone(), state.clone()
    StepShift(table)(x, state)
    assert torch.equal(x, before[0]) and torch.equal(state, before[1])


def test_a_shift_has_no_weights():
    # Otherwise they would be trained and stored in checkpoints.
    step = StepShift(stsm(32))
    assert not list(step.parameters()) and not step.state_dict()
    assert {name for name, _ in step.named_buffers()} == {"kernel_4"}


@pytest.mark.parametrize("name", BIDIRECTIONAL)
def test_step_form_refuses_tables_that_read_the_future(name):
    with pytest.raises(ShiftError, match="cannot stream"):
        StepShift(BIDIRECTIONAL[name])
