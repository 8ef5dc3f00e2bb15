"""Bi-directional weights made past-only: the channels that read the past move to where past-only tables have them.

A bi-directional TSM reads the future in its first channels and the past in the second group; the past-only one reads
the past in the first group. Which channel is which is only a matter of order, but all blocks of a stage add to the same
features, so a stage's channels are reordered together: in every layer that writes them, and in every layer that reads
them. What read the future then reads the present, which fine-tuning has to make up for.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import torch
from torch import nn

from edgeshift.errors import ModelError
from edgeshift.models import build
from edgeshift.models.features import Features
from edgeshift.models.network import ShiftNetwork
from edgeshift.shift import Row, ShiftTable


def past_first(network: ShiftNetwork) -> ShiftNetwork:
    """A past-only network with the weights of a bi-directional one.

    On a clip it answers as the bi-directional network would if its future channels were not shifted.

    Args:
        network: bi-directional; not changed.

    Raises:
        ModelError: a past-only network, or a table whose past groups have other sizes in its past-only form (STSM's).
    """
    config = network.config
    if not config.bidirectional or config.table == "tsn":
        raise ModelError(f"this {config.name} is past-only already: its slots need no moving")
    moved = build(msgspec.structs.replace(config, bidirectional=False, streamed_bidirectional=False))
    moved.load_state_dict(network.state_dict())
    for features in moved.backbone.features_read():  # type: ignore[operator]
        places = [place for place in features.places if place in moved.tables]
        if places:
            order = torch.tensor(_order(config.shift_table(moved.tables[places[0]].channels), moved.tables[places[0]]))
            _reorder(features, order)
    return moved


def _order(given: ShiftTable, wanted: ShiftTable) -> list[int]:
    """For each channel of ``wanted``, the channel of ``given`` that does the same."""
    sources: dict[int, int] = {}
    rows = list(given.rows)
    for row in wanted.rows:
        match = next((r for r in rows if _alike(r, row)), None)
        if match is None:
            raise ModelError(
                f"bi-directional {given.name} gives the past {sum(r.channels for r in given.past)} of {given.channels} "
                f"channels, past-only {sum(r.channels for r in wanted.past)}: moving slots cannot turn one "
                "into the other; start from weights without a shift, or train past-only"
            )
        rows.remove(match)
        sources.update(zip(range(row.start, row.stop), range(match.start, match.stop), strict=True))
    taken = set(sources.values())
    rest = iter(channel for channel in range(given.channels) if channel not in taken)
    return [sources[channel] if channel in sources else next(rest) for channel in range(given.channels)]


def _alike(one: Row, other: Row) -> bool:
    first, second = ((row.dt, row.dh, row.dw, row.fill, row.channels) for row in (one, other))
    return first == second


def _reorder(features: Features, order: torch.Tensor) -> None:
    with torch.no_grad():
        for module in features.writers:
            for tensor in _per_channel(module):
                tensor.copy_(tensor[order].clone())
        for module in features.readers:
            weight = module.weight
            assert isinstance(weight, torch.Tensor)
            weight.copy_(weight[:, order].clone())


def _per_channel(module: nn.Module) -> Iterable[torch.Tensor]:
    return (tensor for tensor in [*module.parameters(False), *module.buffers(False)] if tensor.ndim)
