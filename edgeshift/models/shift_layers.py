"""The two tensor forms of a shift table: for a whole clip, and for one frame with a state.

    clip form                             step form (dt = 1)

    t-1  [a0 b0 c0]                       state [a0]      state' [a1]
    t    [a1 b1 c1]  ->  [a0 b1 c1]       frame [a1 b1 c1]  ->  [a0 b1 c1]

The step form returns the next state as an output. It never writes into a buffer, because exporters drop such writes
without an error.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeshift.shift import Row, ShiftTable


def shift_clip(x: Tensor, table: ShiftTable) -> Tensor:
    """Shift a whole clip.

    Args:
        x: [N, T, C, H, W].
        table: a shift table for C channels. It may have rows that read the future.

    Returns:
        [N, T, C, H, W]; ``x`` itself if the table has no rows.
    """
    if not table.rows:
        return x
    parts = [
        group if row is None else _clip_row(group, row)
        for group, row in ((x[:, :, start:stop], row) for start, stop, row in table.pieces())
    ]
    return torch.cat(parts, 2)


class ExportedShift(nn.Module):
    """What the two exported forms of a shift have in common: kernels, stored zeros, and the order of the channels.

    Args:
        table: a shift table.
    """

    def __init__(self, table: ShiftTable) -> None:
        super().__init__()
        self.table = table
        self.convolutions = _convolved_channels(table)
        for start, stop in self.convolutions.items():
            self.register_buffer(f"kernel_{start}", _one_hot(table, start, stop), persistent=False)

    def _store_zeros(self, row: Row, frames: int, size: tuple[int, int]) -> None:
        """Store the zeros that a row reads, [frames, row.channels, *size]."""
        zeros = torch.zeros((frames, row.channels, *size)).contiguous(memory_format=torch.channels_last)
        self.register_buffer(f"zeros_{row.start}", zeros, persistent=False)

    def _shifted(self, x: Tensor, read: Callable[[Row], Tensor]) -> Tensor:
        """Return x, [N, C, H, W], with its channels shifted. ``read(row)`` gives those of a row from other frames."""
        parts, done = [], 0  # the channels below `done` are computed
        for start, stop, row in self.table.pieces():
            if start < done:
                continue
            done = stop
            if start in self.convolutions:
                done = self.convolutions[start]
                kernel = self.get_buffer(f"kernel_{start}")
                parts.append(F.conv2d(x[:, start:done], kernel, padding=1, groups=done - start))
            elif row is None:
                parts.append(x[:, start:stop])
            elif row.dt == 0:
                parts.append(_clip_row(x[:, start:stop], row))
            else:
                parts.append(read(row))
        return torch.cat(parts, 1)


class StepShift(ExportedShift):
    """Shift one frame: ``(x, state, seen) -> (y, next state)``.

    The state is ordered by the age of its features in frames. For each age, from 1 to ``depth``, it has the channels of
    all rows that still need features of this age, in row order:  [age 1: rows with dt >= 1 | age 2: dt >= 2 | ...].

    Shifts by one pixel in height or width are computed by a depthwise 3x3 convolution with one-hot kernels, because
    mobile runtimes have no cheaper operator for them. The convolution also copies adjacent channels that are not
    shifted, because one operator over more channels is faster than a slice and a concatenation
    (``docs/lab/step-cost.md`` has the measurements).

    Args:
        table: a shift table without rows that read the future.
        size: height and width of the features, if they are known. Then zeros in place of the future are a stored
            constant for features of this size. LiteRT's converter leaves zeros that are computed channels first, and
            puts four transpositions around each shift.

    Raises:
        ShiftError: the table has rows that read the future.
    """

    def __init__(self, table: ShiftTable, *, size: tuple[int, int] | None = None) -> None:
        super().__init__(table)
        table.require_streamable()
        for row in table.rows:
            if row.dt is None and size is not None:
                self._store_zeros(row, 1, size)

    def forward(self, x: Tensor, state: Tensor | None, seen: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Shift one frame.

        Args:
            x: features of the frame, [N, C, H, W].
            state: [N, table.state_channels, H, W]; None if the table needs no state.
            seen: [N, depth, 1, 1], 1 at index k-1 if there was a frame k steps ago, else 0. Only rows with the fill
                "keep" read it.

        Returns:
            The shifted features [N, C, H, W], and the next state, or None if the table needs no state.
        """
        if not self.table.rows:
            return x, None
        ages = _ages(self.table, state)

        def read(row: Row) -> Tensor:
            own = x[:, row.start : row.stop]
            return self._zeros(own, row.start) if row.dt is None else _step_row(own, row, ages[row.dt][row], seen)

        y = self._shifted(x, read)
        return y, _next_state(x, self.table, ages)

    def _zeros(self, x: Tensor, start: int) -> Tensor:
        """Return zeros of the shape of ``x``, the channels of a row from ``start``: the stored ones if they fit."""
        stored: Tensor | None = getattr(self, f"zeros_{start}", None)
        return stored if stored is not None and stored.shape == x.shape else torch.zeros_like(x)


class ClipShift(ExportedShift):
    """Shift a clip of a fixed number of frames, which are the batch: [N, C, H, W] -> [N, C, H, W].

    It computes the same as ``shift_clip``. Zeros are stored constants with channels last, and shifts by one pixel are
    convolutions, for the reasons given in ``StepShift``.

    Args:
        table: a shift table. It may read later frames.
        frames: T.
        size: height and width of the features.
        sounds: N - T, number of pictures of sounds behind the frames, which are not shifted. The fill must be "keep".
    """

    def __init__(self, table: ShiftTable, frames: int, size: tuple[int, int], sounds: int = 0) -> None:
        super().__init__(table)
        assert not sounds or all(row.fill == "keep" for row in table.rows), "such a network cannot have a sound segment"
        self.frames, self.sounds = frames, sounds
        for row in table.rows:
            missing = frames if row.dt is None else min(abs(row.dt), frames)
            if missing and row.fill == "zero":
                self._store_zeros(row, missing, size)

    def forward(self, x: Tensor) -> Tensor:
        """Shift the features of a clip, [N, C, H, W]."""
        if not self.table.rows:
            return x
        return self._shifted(x, lambda row: self._move_in_time(x, row))

    def _move_in_time(self, x: Tensor, row: Row) -> Tensor:
        """Return the channels of a row from earlier or later frames."""
        frames = self.frames
        steps = frames if row.dt is None else min(abs(row.dt), frames)
        back = row.dt is not None and row.dt > 0
        # One slice in both dimensions: exporters make one operator of two slices that follow each other.
        # The last frames have no later frame to read, so they keep their own features. So do the sounds after them, and
        # one slice takes both.
        end = frames + self.sounds
        edge = slice(0, steps) if back and steps < frames else slice(frames - steps, end)
        rest = slice(0, frames - steps) if back else slice(steps, frames)
        channels = slice(row.start, row.stop)
        fill = x[edge, channels] if row.fill == "keep" else self.get_buffer(f"zeros_{row.start}")
        if steps == frames:
            return fill
        moved = x[rest, channels]
        sounds = (x[frames:end, channels],) if back and self.sounds else ()
        return torch.cat((fill, moved, *sounds) if back else (moved, fill), 0)


def _clip_row(x: Tensor, row: Row) -> Tensor:
    """Shift the channels of one row in a clip. A row that does not read other frames also shifts a single frame."""
    if row.dt is None:
        return torch.zeros_like(x)
    return _move(x, 1, row.dt, row) if row.dt else _move(_move(x, -2, row.dh, row), -1, row.dw, row)


def _move(x: Tensor, dim: int, by: int, row: Row) -> Tensor:
    """Return ``y[i] = x[i - by]`` along one axis. Where ``i - by`` does not exist, ``y[i]`` is the fill of the row."""
    size = x.shape[dim]
    steps = min(abs(by), size)
    if not steps:
        return x
    edge = x.narrow(dim, 0 if by > 0 else size - steps, steps)
    edge = edge if row.fill == "keep" else torch.zeros_like(edge)
    rest = x.narrow(dim, 0 if by > 0 else steps, size - steps)
    return torch.cat((edge, rest) if by > 0 else (rest, edge), dim)


def _convolved_channels(table: ShiftTable) -> dict[int, int]:
    """Return {start: stop} of each run of channels that one depthwise 3x3 convolution computes."""
    runs: dict[int, int] = {}
    begin, shifts = None, False
    end = (table.channels, table.channels, Row(1, 0, 0, 0, 0))  # a row in time, which ends the last run
    for start, _, row in [*table.pieces(), end]:
        by_one_pixel = row is not None and row.dt == 0 and row.fill == "zero" and max(abs(row.dh), abs(row.dw)) == 1
        if row is None or by_one_pixel:
            begin = start if begin is None else begin
            shifts = shifts or by_one_pixel
        else:
            if begin is not None and shifts:
                runs[begin] = start
            begin, shifts = None, False
    return runs


def _one_hot(table: ShiftTable, start: int, stop: int) -> Tensor:
    """Return kernels [stop - start, 1, 3, 3] that read ``x[h - dh, w - dw]``, or ``x[h, w]`` for unshifted channels."""
    kernel = torch.zeros(stop - start, 1, 3, 3)
    kernel[:, 0, 1, 1] = 1
    for row in table.space:
        if start <= row.start < stop:
            group = slice(row.start - start, row.stop - start)
            kernel[group, 0, 1, 1] = 0
            kernel[group, 0, 1 - row.dh, 1 - row.dw] = 1
    return kernel


def _step_row(x: Tensor, row: Row, past: Tensor, seen: Tensor | None) -> Tensor:
    """Return the past features of a row, or its fill as long as the frame that the row reads does not exist."""
    if row.fill == "zero":
        return past  # the state starts as zeros, which are the fill
    assert seen is not None and row.dt is not None, "networks whose tables count frames have the state `seen`"
    # The whole state is not sliced, because exporters would keep the slice as an operator.
    exists = seen if seen.shape[1] == 1 else seen[:, row.dt - 1 : row.dt]
    return past * exists + x * (1 - exists)


def _ages(table: ShiftTable, state: Tensor | None) -> dict[int, dict[Row, Tensor]]:
    """Split the state into {age: {row: its channels}}."""
    ages: dict[int, dict[Row, Tensor]] = {}
    if state is None:
        return ages
    at = 0
    for age in range(1, table.depth + 1):
        ages[age] = {}
        for row in table.past:
            if row.dt is not None and row.dt >= age:
                # A row that is the whole state is not sliced, because exporters would keep the slice as an operator.
                whole = row.channels == table.state_channels
                ages[age][row] = state if whole else state[:, at : at + row.channels]
                at += row.channels
    return ages


def _next_state(x: Tensor, table: ShiftTable, ages: dict[int, dict[Row, Tensor]]) -> Tensor | None:
    """Return the features of this frame as age 1, followed by those of the state, which become one frame older."""
    if not ages:
        return None
    parts = [x[:, row.start : row.stop] for row in table.past]
    for age in range(2, table.depth + 1):
        parts.extend(ages[age - 1][row] for row in table.past if row.dt is not None and row.dt >= age)
    return torch.cat(parts, 1) if len(parts) > 1 else parts[0]
