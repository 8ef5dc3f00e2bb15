"""Shift tables: a temporal or spatio-temporal shift, described as rows of data.

A shift replaces some channels of a feature map by the same channels of a neighbour in time, height or width, and leaves
the other channels unchanged. One table defines two forms, which must agree:

    clip form   T frames at once        y[t, c] = x[t - dt, c]          for training, and as the reference
    step form   one frame and a state   y[c]    = state[c]              for the device

A row with ``dt = k`` needs the features of k frames ago, so the step form carries a first-in first-out queue of k
frames for it. A row that moves in height or width carries no state. A row with a negative ``dt`` needs a later frame:
it has a clip form, but it cannot stream.

This module is plain Python without torch, because devices read tables as well. The tensor operations are in
``edgeshift.models.shift_layers``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from edgeshift.errors import ShiftError

Fill = Literal["zero", "keep"]

#: How to run a bi-directional network, for error messages; ``{fine_tune}`` is how to fine-tune it.
_WAYS = (
    "There are three ways: --mode clip keeps the accuracy, but each answer takes the time of all frames of a clip; "
    "--stream-bidirectional takes the time of one frame per answer, but loses accuracy, because the fill (zeros for "
    "TSM) replaces later frames; {fine_tune}, which takes the time of one frame per answer, but needs training"
)


class Row(msgspec.Struct, frozen=True):
    """One group of channels that is shifted together.

    ``y[t, h, w] = x[t - dt, h - dh, w - dw]`` for the channels ``start <= c < stop``.

    Attributes:
        dt: shift in frames. +k reads k frames back, -k reads k frames ahead. None: the neighbour never exists, so that
            every value is the fill. ``ShiftTable.past_only`` makes such rows from those that read ahead.
        dh: shift in rows of the feature map. +1 moves the features down.
        dw: shift in columns of the feature map. +1 moves the features right.
        start: first channel of the group.
        stop: channel after the last one of the group.
        fill: value where the neighbour does not exist: "zero", or "keep" for the frame's own features.
    """

    dt: int | None
    dh: int
    dw: int
    start: int
    stop: int
    fill: Fill = "zero"

    @property
    def channels(self) -> int:
        """Number of channels in the group."""
        return self.stop - self.start


class ShiftTable(msgspec.Struct, frozen=True):
    """The rows of one shift over ``channels`` channels, in order. Channels that no row contains are not shifted."""

    name: str
    channels: int
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        end = 0
        for row in self.rows:
            if row.start < end or row.stop <= row.start or row.stop > self.channels:
                raise ShiftError(
                    f"{self.name}: row {row} does not fit {self.channels} channels after channel {end}: "
                    "rows must be in order, not empty, and must not overlap"
                )
            if row.dt and (row.dh or row.dw):
                raise ShiftError(f"{self.name}: row {row} moves in time and in space; write it as two rows")
            if row.dh and row.dw and row.fill == "keep":
                raise ShiftError(
                    f"{self.name}: row {row} moves in height and in width; it can only be filled with zeros"
                )
            end = row.stop

    @property
    def past(self) -> tuple[Row, ...]:
        """The rows that read earlier frames, and therefore carry state."""
        return tuple(row for row in self.rows if (row.dt or 0) > 0)

    @property
    def future(self) -> tuple[Row, ...]:
        """The rows that read later frames."""
        return tuple(row for row in self.rows if (row.dt or 0) < 0)

    @property
    def space(self) -> tuple[Row, ...]:
        """The rows that shift in height or width."""
        return tuple(row for row in self.rows if row.dh or row.dw)

    @property
    def depth(self) -> int:
        """The largest number of frames that a row reads back; 0 if the table carries no state."""
        return max((row.dt or 0 for row in self.past), default=0)

    @property
    def state_channels(self) -> int:
        """Number of channels of the state. A row that reads k frames back holds its channels k times."""
        return sum(row.channels * (row.dt or 0) for row in self.past)

    @property
    def counts_frames(self) -> bool:
        """True if the step form must count frames, because of a row with fill "keep".

        Until the earlier frame exists, such a row uses the frame's own features. The queue, which starts with zeros,
        does not show whether the frame exists.
        """
        return any(row.fill == "keep" for row in self.past)

    def pieces(self) -> list[tuple[int, int, Row | None]]:
        """Return all channels in order as (start, stop, row). The row is None for channels that are not shifted."""
        pieces: list[tuple[int, int, Row | None]] = []
        end = 0
        for row in self.rows:
            if row.start > end:
                pieces.append((end, row.start, None))
            pieces.append((row.start, row.stop, row))
            end = row.stop
        return pieces if end == self.channels else [*pieces, (end, self.channels, None)]

    def require_streamable(self) -> None:
        """Raise ShiftError, with possible remedies, if a row reads later frames."""
        if self.future:
            row = self.future[0]
            raise ShiftError(
                f"{self.name} cannot stream: channels {row.start} to {row.stop - 1} need the frame that comes "
                f"{-(row.dt or 0)} later. {bidirectional_ways()}"
            )

    def past_only(self) -> ShiftTable:
        """Return the table with the fill in place of every later frame. All other channels keep their slots.

        A bi-directional network streams with this table without changes to its weights. The newest frame has no next
        frame, so a row with fill "zero" reads zeros, and a row with fill "keep" reads the frame's own features.
        """
        rows = tuple(
            msgspec.structs.replace(row, dt=None) if row in self.future else row
            for row in self.rows
            if not (row in self.future and row.fill == "keep")
        )
        return ShiftTable(self.name, self.channels, rows)


def bidirectional_ways(*, own_code: bool = False) -> str:
    """Return the three ways to run a bi-directional network, with their costs, as text for error messages.

    Args:
        own_code: the network is of the user's own code, which ``edgeshift train`` cannot fine-tune.
    """
    how = "your own training code" if own_code else "edgeshift train --init"
    return _WAYS.format(fine_tune=f"or fine-tune the past-only form with {how}")


def tsn(channels: int) -> ShiftTable:
    """Return the table without any shift: Temporal Segment Networks, the baseline."""
    return ShiftTable("tsn", channels, ())


def tsm(channels: int, *, bidirectional: bool = False, div: int = 8, fill: Fill = "zero") -> ShiftTable:
    """Return the table of the Temporal Shift Module (Lin, Gan, Han, ICCV 2019, section 3; slots as in their code).

    With ``fold = channels // div``, the bi-directional form takes channels [0, fold) from the next frame and
    [fold, 2 fold) from the previous frame. The past-only ("online") form takes [0, fold) from the previous frame.
    """
    fold = channels // div
    _require_channels(fold, "tsm", channels, smallest=div)
    rows = [Row(1, 0, 0, 0, fold, fill)]
    if bidirectional:
        rows = [Row(-1, 0, 0, 0, fold, fill), Row(1, 0, 0, fold, 2 * fold, fill)]
    return ShiftTable("tsm", channels, tuple(rows))


def stsm(channels: int, *, bidirectional: bool = False, fill: Fill = "zero") -> ShiftTable:
    """Return the table of the Spatio-Temporal Shift Module (Yang, An, "STSM", section 3.2) at its best share, 3/8.

    1/8 of the channels are shifted in time, 1/8 in height and 1/8 in width, each half forward and half backward. The
    paper does not define the order of the groups. Here it is T(past), T(future), H+, H-, W+, W-. In the past-only form,
    the whole time group of ``channels // 8`` reads the past, so that the state is the same as that of TSM.
    """
    half = channels // 16
    _require_channels(half, "stsm", channels, smallest=16)
    if bidirectional:
        rows = [Row(1, 0, 0, 0, half, fill), Row(-1, 0, 0, half, 2 * half, fill)]
    else:
        rows = [Row(1, 0, 0, 0, channels // 8, fill)]
    for dh, dw in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        start = rows[-1].stop
        rows.append(Row(0, dh, dw, start, start + half, fill))
    return ShiftTable("stsm", channels, tuple(rows))


def tsam(
    channels: int, *, depth: int = 4, bidirectional: bool = False, div: int = 8, fill: Fill = "keep"
) -> ShiftTable:
    """Return the table of a temporal shift of depth K (Antonov, "TSAM", section 2.2).

    Groups of equal size are shifted by 1, 2, ... K frames. With ``f = (channels // div) // depth`` and d = 0 .. K-1,
    group 2d reads d+1 frames ahead and group 2d+1 reads d+1 frames back. A frame without such a neighbour keeps its own
    features. The past-only form has only the groups that read back, packed from channel 0.
    """
    if depth < 1:
        raise ShiftError(f"tsam: depth {depth} is not possible; use 1 or more")
    f = (channels // div) // depth
    _require_channels(f, f"tsam with depth {depth}", channels, smallest=div * depth)
    rows = []
    for d in range(depth):
        if bidirectional:
            rows.append(Row(-(d + 1), 0, 0, 2 * d * f, (2 * d + 1) * f, fill))
            rows.append(Row(d + 1, 0, 0, (2 * d + 1) * f, (2 * d + 2) * f, fill))
        else:
            rows.append(Row(d + 1, 0, 0, d * f, (d + 1) * f, fill))
    return ShiftTable("tsam", channels, tuple(rows))


#: {name: function that makes the table for a number of channels}. A new table is one function and one line here.
TABLES: dict[str, Callable[..., ShiftTable]] = {"tsn": tsn, "tsm": tsm, "stsm": stsm, "tsam": tsam}


def _require_channels(fold: int, name: str, channels: int, *, smallest: int) -> None:
    if fold < 1:
        reason = "channels are too few, because none would be shifted"
        raise ShiftError(f"{name}: {channels} {reason}; the smallest count that works is {smallest}")
