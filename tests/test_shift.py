"""Shift tables, compared channel by channel with the formulae of the papers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edgeshift import shift
from edgeshift.errors import ShiftError
from edgeshift.shift import TABLES, Row, ShiftTable, stsm, tsam, tsm, tsn

COUNTS = [16, 24, 31, 32, 40, 64, 100, 160, 257, 2048]


def moves(table: ShiftTable) -> list[tuple[int | None, int, int] | None]:
    """Return the shift (dt, dh, dw) of each channel; None: it is not shifted."""
    shifts: list[tuple[int | None, int, int] | None] = [None] * table.channels
    for row in table.rows:
        for channel in range(row.start, row.stop):
            assert shifts[channel] is None, "two rows contain one channel"
            shifts[channel] = (row.dt, row.dh, row.dw)
    return shifts


def fills(table: ShiftTable) -> set[str]:
    return {row.fill for row in table.rows}


def groups_then_none(table: ShiftTable, *groups: list[tuple[int, int, int]]) -> list[tuple[int, int, int] | None]:
    """Return the shifts of the groups in order, followed by None for the other channels."""
    shifts = [move for group in groups for move in group]
    return [*shifts, *[None] * (table.channels - len(shifts))]


@pytest.mark.parametrize("channels", [1, *COUNTS])
def test_tsn_shifts_no_channel(channels):
    table = tsn(channels)
    assert moves(table) == [None] * channels
    assert (table.depth, table.state_channels, table.counts_frames) == (0, 0, False)


@pytest.mark.parametrize("channels", [8, 15, *COUNTS])
def test_tsm_past_only_reads_one_frame_back(channels):
    table, fold = tsm(channels), channels // 8
    assert moves(table) == groups_then_none(table, [(1, 0, 0)] * fold)
    assert (table.depth, table.state_channels, table.counts_frames) == (1, fold, False)
    assert fills(table) == {"zero"}


@pytest.mark.parametrize("channels", [8, 15, *COUNTS])
def test_tsm_bidirectional_has_the_future_group_first(channels):
    table, fold = tsm(channels, bidirectional=True), channels // 8
    assert moves(table) == groups_then_none(table, [(-1, 0, 0)] * fold, [(1, 0, 0)] * fold)
    assert table.state_channels == fold
    assert [row.dt for row in table.future] == [-1]


@pytest.mark.parametrize("div", [3, 4, 8, 16])
def test_tsm_with_another_div(div):
    assert tsm(48, div=div).state_channels == 48 // div
    assert tsm(48, div=div, bidirectional=True).rows[-1].stop == 48 // div * 2


@pytest.mark.parametrize("channels", COUNTS)
def test_stsm_past_only_has_one_past_group_and_four_groups_in_space(channels):
    table, half = stsm(channels), channels // 16
    space = [[move] * half for move in ((0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))]
    assert moves(table) == groups_then_none(table, [(1, 0, 0)] * (channels // 8), *space)
    assert table.state_channels == tsm(channels).state_channels
    assert len(table.space) == 4 and len(table.past) == 1
    assert fills(table) == {"zero"}


@pytest.mark.parametrize("channels", COUNTS)
def test_stsm_bidirectional_has_six_equal_groups(channels):
    table, half = stsm(channels, bidirectional=True), channels // 16
    order = ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))
    assert moves(table) == groups_then_none(table, *([move] * half for move in order))


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [32, 40, 64, 100, 257, 2048])
def test_tsam_past_only_has_consecutive_past_groups(channels, depth):
    table, f = tsam(channels, depth=depth), channels // 8 // depth
    assert moves(table) == groups_then_none(table, *([(age, 0, 0)] * f for age in range(1, depth + 1)))
    assert table.depth == depth
    assert table.state_channels == f * depth * (depth + 1) // 2
    assert table.counts_frames
    assert fills(table) == {"keep"}


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [32, 40, 64, 100, 257, 2048])
def test_tsam_bidirectional_alternates_future_and_past(channels, depth):
    table, f = tsam(channels, depth=depth, bidirectional=True), channels // 8 // depth
    groups = []
    for age in range(1, depth + 1):
        groups += [[(-age, 0, 0)] * f, [(age, 0, 0)] * f]
    assert moves(table) == groups_then_none(table, *groups)
    assert table.state_channels == f * depth * (depth + 1) // 2


def test_only_tables_with_fill_keep_count_frames():
    assert not tsam(64, fill="zero").counts_frames
    assert fills(tsam(64, fill="zero")) == {"zero"}
    assert tsm(64, fill="keep").counts_frames and stsm(64, fill="keep").counts_frames


@pytest.mark.parametrize("bidirectional", [False, True], ids=["past", "both"])
@pytest.mark.parametrize(
    ("name", "options", "smallest"),
    [
        ("tsm", {}, 8),
        ("tsm", {"div": 4}, 4),
        ("stsm", {}, 16),
        ("tsam", {"depth": 1}, 8),
        ("tsam", {"depth": 2}, 16),
        ("tsam", {"depth": 3}, 24),
        ("tsam", {"depth": 4}, 32),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else str(value),
)
def test_the_error_for_too_few_channels_has_the_smallest_count_that_works(name, options, smallest, bidirectional):
    make = TABLES[name]
    for channels in (1, smallest - 1):
        with pytest.raises(ShiftError, match=rf"{name}.* {channels} channels .* is {smallest}$") as caught:
            make(channels, bidirectional=bidirectional, **options)
        assert "\n" not in str(caught.value)
    table = make(smallest, bidirectional=bidirectional, **options)
    # With the smallest count, each group shifts one channel.
    assert all(row.channels == 1 or row.dt == 1 for row in table.rows)
    assert table.state_channels > 0


@pytest.mark.parametrize("depth", [0, -1])
def test_a_depth_below_one_is_refused(depth):
    with pytest.raises(ShiftError, match="use 1 or more"):
        tsam(64, depth=depth)


@pytest.mark.parametrize("name", ["tsm", "stsm", "tsam"])
def test_a_table_with_future_rows_cannot_stream_and_the_message_has_remedies(name):
    table = TABLES[name](64, bidirectional=True)
    with pytest.raises(ShiftError) as caught:
        table.require_streamable()
    message = str(caught.value)
    first = table.future[0]
    assert message.startswith(f"{name} cannot stream: channels {first.start} to {first.stop - 1} need the frame")
    assert all(way in message for way in ("--mode clip", "--stream-bidirectional", "fine-tune the past-only form"))
    assert "\n" not in message
    TABLES[name](64).require_streamable()
    table.past_only().require_streamable()


def test_the_message_says_how_many_frames_ahead():
    table = ShiftTable("far", 8, (Row(-3, 0, 0, 2, 4),))
    with pytest.raises(ShiftError, match="channels 2 to 3 need the frame that comes 3 later"):
        table.require_streamable()


@pytest.mark.parametrize("name", ["tsm", "stsm", "tsam"])
def test_past_only_keeps_the_slots_and_fills_the_future_with_zeros(name):
    both = TABLES[name](64, bidirectional=True, fill="zero")
    past = both.past_only()
    assert past.past == both.past and past.space == both.space
    assert (past.name, past.channels, past.future) == (both.name, both.channels, ())
    filled = [(row.start, row.stop) for row in past.rows if row.dt is None]
    assert filled == [(row.start, row.stop) for row in both.future]
    assert past.state_channels == both.state_channels


@pytest.mark.parametrize("name", ["tsm", "stsm", "tsam"])
def test_past_only_does_not_shift_future_channels_with_fill_keep(name):
    both = TABLES[name](64, bidirectional=True, fill="keep")
    past = both.past_only()
    assert past.rows == tuple(row for row in both.rows if row not in both.future)
    assert all(row.dt is not None for row in past.rows)


@pytest.mark.parametrize("name", ["tsn", "tsm", "stsm", "tsam"])
def test_past_only_does_not_change_a_table_that_streams(name):
    assert TABLES[name](64).past_only() == TABLES[name](64)


@pytest.mark.parametrize(
    "table",
    [
        tsn(5),
        tsm(8),
        tsm(100),
        tsm(100, bidirectional=True),
        stsm(257),
        stsm(16, bidirectional=True),
        tsam(257, depth=3, bidirectional=True),
        ShiftTable("end", 6, (Row(1, 0, 0, 4, 6),)),
        ShiftTable("gaps", 9, (Row(1, 0, 0, 1, 3), Row(0, 1, 0, 5, 6), Row(None, 0, 0, 6, 8))),
        ShiftTable("all", 4, (Row(1, 0, 0, 0, 4),)),
    ],
    ids=lambda table: f"{table.name}{table.channels}",
)
def test_pieces_cover_all_channels_in_order(table):
    pieces = table.pieces()
    assert [start for start, _, _ in pieces] == [0, *(stop for _, stop, _ in pieces[:-1])]
    assert pieces[-1][1] == table.channels
    assert all(stop > start for start, stop, _ in pieces)
    assert tuple(row for _, _, row in pieces if row) == table.rows
    assert all((row.start, row.stop) == (start, stop) for start, stop, row in pieces if row)


def test_depth_and_state_channels_of_rows_with_several_frames():
    table = ShiftTable("far", 10, (Row(3, 0, 0, 0, 2), Row(1, 0, 0, 4, 5), Row(-2, 0, 0, 6, 7)))
    assert table.depth == 3
    assert table.state_channels == 2 * 3 + 1
    assert [row.dt for row in table.past] == [3, 1]
    assert [row.channels for row in table.rows] == [2, 1, 1]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ((Row(1, 0, 0, 0, 3), Row(1, 0, 0, 2, 4)), "must not overlap"),
        ((Row(1, 0, 0, 4, 6), Row(1, 0, 0, 0, 2)), "in order"),
        ((Row(1, 0, 0, 3, 3),), "not empty"),
        ((Row(1, 0, 0, 3, 2),), "not empty"),
        ((Row(1, 0, 0, 6, 9),), "does not fit 8 channels"),
        ((Row(1, 0, 0, -1, 2),), "does not fit"),
        ((Row(1, 1, 0, 0, 2),), "in time and in space"),
        ((Row(-1, 0, 1, 0, 2),), "in time and in space"),
        ((Row(0, 1, 1, 0, 2, "keep"),), "only be filled with zeros"),
    ],
    ids=["overlap", "order", "empty", "backwards", "too far", "negative", "time+h", "time+w", "diagonal keep"],
)
def test_inconsistent_rows_are_refused(rows, words):
    with pytest.raises(ShiftError, match=words) as caught:
        ShiftTable("odd", 8, rows)
    assert str(caught.value).startswith("odd: ")
    assert "\n" not in str(caught.value)


def test_adjacent_rows_over_all_channels_are_valid():
    assert ShiftTable("full", 8, (Row(1, 0, 0, 0, 3), Row(0, 1, 1, 3, 8))).state_channels == 3


def test_tables_holds_every_table_by_its_name():
    assert set(TABLES) == {"tsn", "tsm", "stsm", "tsam"}
    assert all(TABLES[name](64).name == name for name in TABLES)
    assert all(TABLES[name] is getattr(shift, name) for name in TABLES)


def test_tables_need_neither_torch_nor_numpy():
    code = "import sys, edgeshift.shift; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
