"""Turn bi-directional weights into past-only ones: move the channels that hold the past to the past-only slot.

A bi-directional TSM holds the future in the first group of channels and the past in the second; a past-only TSM holds
the past in the first group. The order of channels is arbitrary, but all blocks of a stage add to the same features. So
the channels of a stage are reordered together, in every layer that writes or reads them. The channels that held the
future are then not shifted, which fine-tuning must compensate.
"""

from __future__ import annotations

import msgspec
import torch

from edgeshift.errors import ModelError
from edgeshift.models import build
from edgeshift.models.network import Features, ShiftNetwork
from edgeshift.shift import Row, ShiftTable


def past_first(network: ShiftNetwork) -> ShiftNetwork:
    """Return a past-only network with the weights of a bi-directional one.

    On a clip it computes the same as the bi-directional network would if its future channels were not shifted.

    Args:
        network: a bi-directional network. It is not changed.

    Raises:
        ModelError: the network is past-only, or its table has past groups of another size in its past-only form (STSM).
    """
    config = network.config
    if not config.bidirectional or config.table == "tsn":
        raise ModelError(f"this {config.name} is already past-only")
    moved = build(msgspec.structs.replace(config, bidirectional=False, streamed_bidirectional=False))
    moved.load_state_dict(network.state_dict())
    for features in moved.backbone.features_read():  # type: ignore[operator]
        places = [place for place in features.places if place in moved.tables]
        if places:
            order = torch.tensor(_order(config.shift_table(moved.tables[places[0]].channels), moved.tables[places[0]]))
            _reorder(features, order)
    return moved


def _order(bidirectional: ShiftTable, past_only: ShiftTable) -> list[int]:
    """Return, for each channel of the past-only table, the channel of the bi-directional one with the same role."""
    sources: dict[int, int] = {}
    rows = list(bidirectional.rows)
    for row in past_only.rows:
        match = next((r for r in rows if _role(r) == _role(row)), None)
        if match is None:
            before, after = (sum(r.channels for r in table.past) for table in (bidirectional, past_only))
            raise ModelError(
                f"bi-directional {bidirectional.name} gives the past {before} of {past_only.channels} channels, "
                f"past-only {after}: reordering channels cannot turn one into the other; start from weights without a "
                "shift, or train past-only"
            )
        rows.remove(match)
        sources.update(zip(range(row.start, row.stop), range(match.start, match.stop), strict=True))
    taken = set(sources.values())
    channels = range(past_only.channels)
    rest = iter(channel for channel in channels if channel not in taken)
    return [sources[channel] if channel in sources else next(rest) for channel in channels]


def _role(row: Row) -> tuple[object, ...]:
    return row.dt, row.dh, row.dw, row.fill, row.channels


def _reorder(features: Features, order: torch.Tensor) -> None:
    with torch.no_grad():
        for module in features.writers:
            for tensor in [*module.parameters(False), *module.buffers(False)]:
                if tensor.ndim:  # the batch counter of a batch norm has no channels
                    tensor.copy_(tensor[order].clone())
        for module in features.readers:
            weight = module.weight
            assert isinstance(weight, torch.Tensor)
            weight.copy_(weight[:, order].clone())
