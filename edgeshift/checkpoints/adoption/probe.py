"""Find the shift table of a wrapper module: run it on values that are all different, with its inner modules left out.

Every output value then shows from where in the input it was moved. Names of classes and attributes are not needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from edgeshift.models.shift_layers import shift_clip
from edgeshift.shift import Fill, Row, ShiftTable

#: Largest height and width of these values, pixels. Small ones are enough, because a shift moves by a fixed offset.
SIDE = 6
FILLS: tuple[Fill, ...] = ("zero", "keep")


class NotAShiftError(Exception):
    """A module is not a plain shift around its inner modules. The message says what it does instead."""


def find_table(wrapper: nn.Module, channels: int, size: tuple[int, int], frames: int) -> ShiftTable:
    """Return the shift table of a wrapper.

    Args:
        wrapper: a module that shifts the input of its children, and may have none.
        channels: number of channels of the features that are shifted.
        size: height and width of the features.
        frames: number of frames of a clip.

    Raises:
        NotAShiftError: the module does more than moving channels.
    """
    height, width = (min(side, SIDE) for side in size)
    shape = (frames, channels, height, width)
    x = torch.arange(1, 1 + frames * channels * height * width, dtype=torch.float32).reshape(shape)
    with _emptied(wrapper), torch.no_grad():
        try:
            y = wrapper(x.clone())
        except Exception as error:
            raise NotAShiftError(f"without the modules in it, it fails ({type(error).__name__}: {error})") from error
    if not isinstance(y, Tensor) or y.shape != x.shape:
        raise NotAShiftError("it also changes the shape of its input")
    rows: list[Row] = []
    for channel in range(channels):
        row = _row(x, y, channel)
        last = rows[-1] if rows else None
        if row is None:
            continue
        if last and last.stop == channel and _move(last) == _move(row):
            rows[-1] = Row(*_move(last)[:3], last.start, channel + 1, last.fill)
        else:
            rows.append(row)
    return ShiftTable("adopted", channels, tuple(rows))


def _move(row: Row) -> tuple[int | None, int, int, Fill]:
    return row.dt, row.dh, row.dw, row.fill


def _row(x: Tensor, y: Tensor, channel: int) -> Row | None:
    """Return the row of one channel; None: the channel is not shifted."""
    source, moved = x[:, channel], y[:, channel]
    if torch.equal(source, moved):
        return None
    if not moved.any():
        return Row(None, 0, 0, channel, channel + 1, "zero")
    at = moved.nonzero()
    _, channels, height, width = x.shape
    index = moved[tuple(at.T)].double() - 1
    if bool((index != index.round()).any()) or float(index.min()) < 0 or float(index.max()) >= x.numel():
        raise NotAShiftError(f"channel {channel} of its output has values that are not in its input")
    place = index.long()
    origin = torch.stack(
        (place // (channels * height * width), place // width % height, place % width, place // (height * width)), 1
    )
    if bool((origin[:, 3] % channels != channel).any()):
        raise NotAShiftError(f"channel {channel} of its output comes from another channel")
    moves = {tuple(offset) for offset in (at - origin[:, :3]).tolist()} - {(0, 0, 0)}
    if len(moves) != 1:
        raise NotAShiftError(
            f"channel {channel} is moved by {len(moves)} different offsets, as in a circular shift; edgeshift takes "
            "one offset for each channel, and where there is no neighbour, zeros or the frame's own features"
        )
    ((dt, dh, dw),) = moves
    for fill in FILLS:
        row = Row(dt, dh, dw, 0, 1, fill)
        try:
            expected = shift_clip(source[None, :, None], ShiftTable("adopted", 1, (row,)))[0, :, 0]
        except Exception as error:  # a table that edgeshift refuses, such as a move in time and in space
            raise NotAShiftError(str(error)) from error
        if torch.equal(expected, moved):
            return Row(dt, dh, dw, channel, channel + 1, fill)
    raise NotAShiftError(f"channel {channel} has neither zeros nor its own features where there is no neighbour")


@contextmanager
def _emptied(wrapper: nn.Module) -> Iterator[None]:
    """In the ``with`` block, replace the children of a module by identities."""
    children = dict(wrapper._modules)
    for name in children:
        wrapper._modules[name] = nn.Identity()
    try:
        yield
    finally:
        wrapper._modules.update(children)
