"""Shift tables: a temporal or spatio-temporal shift written down as rows of data.

A shift replaces some channels of a feature map by the same channels of a neighbour, in time, height or
width, and leaves the rest alone. One table drives two forms that must agree:

    clip form   T frames at once        y[t, c] = x[t - dt, c]          training, reference
    step form   this frame and a state  y[c]    = state[c]              what runs on the device

A row with ``dt = k`` needs the features of k frames ago, so the step form carries a first-in first-out
queue of k slots for it. A row that only moves in height or width carries nothing. A row with a negative
``dt`` needs a frame that has not been taken yet: it has a clip form, but it cannot be streamed.

This module is plain Python (no torch): a device reads tables too. The tensor forms are in
``edgeshift.models.shift_layers``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from edgeshift.errors import ShiftError

Fill = Literal["zero", "keep"]


@dataclass(frozen=True)
class Row:
    """One group of channels that moves together.

    ``y[t, h, w] = x[t - dt, h - dh, w - dw]`` for the channels ``start <= c < stop``.

    Attributes:
        dt: frames; +k reads k frames back, -k reads k frames ahead. ``None``: the neighbour never comes, so
            the fill always stands in its place (a future group of a network that is made to stream).
        dh: rows; +1 moves the picture down. dw: columns; +1 moves it right.
        start, stop: the channels, half open.
        fill: what stands where the neighbour does not exist: zeros, or the frame's own features ("keep").
    """

    dt: int | None
    dh: int
    dw: int
    start: int
    stop: int
    fill: Fill = "zero"

    @property
    def channels(self) -> int:
        """How many channels move."""
        return self.stop - self.start


@dataclass(frozen=True)
class ShiftTable:
    """The rows of one shift over ``channels`` channels. Channels that no row names stay as they are."""

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
        """The rows that read earlier frames: the ones that carry state."""
        return tuple(row for row in self.rows if row.dt is not None and row.dt > 0)

    @property
    def future(self) -> tuple[Row, ...]:
        """The rows that need frames which have not been taken yet."""
        return tuple(row for row in self.rows if row.dt is not None and row.dt < 0)

    @property
    def space(self) -> tuple[Row, ...]:
        """The rows that move within the frame."""
        return tuple(row for row in self.rows if row.dh or row.dw)

    @property
    def depth(self) -> int:
        """How many frames back the table looks; 0 if it carries no state."""
        return max((row.dt for row in self.past if row.dt is not None), default=0)

    @property
    def state_channels(self) -> int:
        """Channels of the carried state: a row that looks k frames back holds k slots of its channels."""
        return sum(row.channels * row.dt for row in self.past if row.dt is not None)

    @property
    def counts_frames(self) -> bool:
        """True if the step form must know how many frames it has seen: a "keep" row uses the frame's own
        features until the neighbour exists, which a queue of zeros cannot tell."""
        return any(row.fill == "keep" for row in self.past)

    def pieces(self) -> list[tuple[int, int, Row | None]]:
        """All channels in order as (start, stop, row); the row is None where nothing moves."""
        pieces: list[tuple[int, int, Row | None]] = []
        at = 0
        for row in self.rows:
            if row.start > at:
                pieces.append((at, row.start, None))
            pieces.append((row.start, row.stop, row))
            at = row.stop
        return pieces if at == self.channels else [*pieces, (at, self.channels, None)]

    def require_streamable(self) -> None:
        """Raise ShiftError if a row needs the future, with the ways out."""
        if self.future:
            row = self.future[0]
            raise ShiftError(
                f"{self.name} cannot stream: channels {row.start} to {row.stop - 1} need the frame that comes "
                f"{-(row.dt or 0)} later. Train or fine-tune the past-only form, or pass --stream-bidirectional to run "
                "with the past at its own slot and the fill in place of the future (accuracy drops until fine-tuned)"
            )

    def past_only(self) -> ShiftTable:
        """The table with every future row replaced by its fill, all other channels at their own slots.

        This is how a bi-directional network is made to stream without moving its weights: at the newest
        frame there is no next one, so a zero row reads zeros and a "keep" row its own features.
        """
        rows = tuple(
            replace(row, dt=None) if row in self.future else row
            for row in self.rows
            if not (row in self.future and row.fill == "keep")
        )
        return ShiftTable(self.name, self.channels, rows)


def tsn(channels: int) -> ShiftTable:
    """No shift at all: Temporal Segment Networks, the baseline."""
    return ShiftTable("tsn", channels, ())


def tsm(channels: int, *, bidirectional: bool = False, div: int = 8, fill: Fill = "zero") -> ShiftTable:
    """Temporal Shift Module (Lin, Gan, Han, ICCV 2019, section 3; slots as in the authors' code).

    With ``fold = channels // div``: bi-directional takes channels [0, fold) from the next frame and
    [fold, 2 fold) from the previous one; past-only ("online") takes [0, fold) from the previous one.
    """
    fold = channels // div
    _require(fold, "tsm", channels, smallest=div)
    rows = [Row(1, 0, 0, 0, fold, fill)]
    if bidirectional:
        rows = [Row(-1, 0, 0, 0, fold, fill), Row(1, 0, 0, fold, 2 * fold, fill)]
    return ShiftTable("tsm", channels, tuple(rows))


def stsm(channels: int, *, bidirectional: bool = False, fill: Fill = "zero") -> ShiftTable:
    """Spatio-Temporal Shift Module (Yang, An, "STSM", section 3.2), at its best share, 3/8 of the channels.

    1/8 of the channels move in time, 1/8 in height, 1/8 in width, each half forward and half backward. The
    paper leaves the order open; here it is T(past), T(future), H+, H-, W+, W-. Past-only gives the whole
    time group, ``channels // 8``, to the past, so it carries the same state as TSM.
    """
    half = channels // 16
    _require(half, "stsm", channels, smallest=16)
    if bidirectional:
        rows = [Row(1, 0, 0, 0, half, fill), Row(-1, 0, 0, half, 2 * half, fill)]
    else:
        rows = [Row(1, 0, 0, 0, channels // 8, fill)]
    for dh, dw in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        start = rows[-1].stop
        rows.append(Row(0, dh, dw, start, start + half, fill))
    return ShiftTable("stsm", channels, tuple(rows))


def tsam(channels: int, *, depth: int = 4, bidirectional: bool = False, fill: Fill = "keep") -> ShiftTable:
    """Temporal shift of depth K (Antonov, "TSAM", section 2.2): equal groups shifted by 1, 2, ... K frames.

    With ``f = (channels // 8) // depth`` and d = 0 .. K-1, group 2d reads d+1 frames ahead and group 2d+1 reads
    d+1 frames back; frames with no such neighbour keep their own features. Past-only keeps the past groups
    alone, packed from channel 0.
    """
    if depth < 1:
        raise ShiftError(f"tsam: depth {depth} is not a shift; use 1 or more")
    f = (channels // 8) // depth
    _require(f, f"tsam with depth {depth}", channels, smallest=8 * depth)
    rows = []
    for d in range(depth):
        if bidirectional:
            rows.append(Row(-(d + 1), 0, 0, 2 * d * f, (2 * d + 1) * f, fill))
            rows.append(Row(d + 1, 0, 0, (2 * d + 1) * f, (2 * d + 2) * f, fill))
        else:
            rows.append(Row(d + 1, 0, 0, d * f, (d + 1) * f, fill))
    return ShiftTable("tsam", channels, tuple(rows))


#: Every table by name: a function of the channel count. A new table is a function and a line here.
TABLES: dict[str, Callable[..., ShiftTable]] = {"tsn": tsn, "tsm": tsm, "stsm": stsm, "tsam": tsam}


def _require(fold: int, name: str, channels: int, *, smallest: int) -> None:
    if fold < 1:
        raise ShiftError(
            f"{name}: {channels} channels are too few, no channel would be shifted; the smallest count that works "
            f"is {smallest}"
        )
