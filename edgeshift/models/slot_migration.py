"""Turn bi-directional weights into past-only ones: move the channels that hold the past to the past-only slot.

A bi-directional TSM holds the future in the first group of channels and the past in the second; a past-only TSM holds
the past in the first group. The order of channels is arbitrary if all layers agree on it. The blocks of a stage add to
one feature map, so its channels are reordered in every layer that writes or reads it. The channels that held the future
are no longer shifted, and the network must be fine-tuned to compensate for this.
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

    It gives the logits that the bi-directional network would give if the channels of the future were not shifted.

    Args:
        network: a bi-directional network. It is not changed.

    Raises:
        ModelError: the network is past-only, or the past-only form of its table gives another number of channels to the
            past (STSM).
    """
    config = network.config
    if not config.bidirectional or config.table == "tsn":
        raise ModelError(f"this {config.name} is already past-only")
    result = build(msgspec.structs.replace(config, bidirectional=False, streamed_bidirectional=False))
    result.load_state_dict(network.state_dict())
    for features in result.backbone.feature_maps():  # type: ignore[operator]
        tables = [result.tables[place] for place in features.places if place in result.tables]
        if tables:
            _reorder(features, torch.tensor(_order(config.shift_table(tables[0].channels), tables[0])))
    return result


def _order(bidirectional: ShiftTable, past_only: ShiftTable) -> list[int]:
    """Return, for each channel of the past-only table, the channel of the bi-directional one with the same role."""
    sources: dict[int, int] = {}
    rows = list(bidirectional.rows)
    for row in past_only.rows:
        match = next((r for r in rows if _role(r) == _role(row)), None)
        if match is None:
            before, after = (sum(r.channels for r in table.past) for table in (bidirectional, past_only))
            raise ModelError(
                f"the past has {before} of {past_only.channels} channels in a bi-directional {bidirectional.name}, and "
                f"{after} in a past-only one: reordering channels cannot turn one into the other; start from weights "
                "without a shift, or from past-only weights"
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
