"""Facts about a network from its weights file: from the tensors, the file's name, and data beside the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from edgeshift.checkpoints.edgeshift_file import Metadata, own_layout, read_metadata
from edgeshift.checkpoints.matching import Match, match_tensors
from edgeshift.checkpoints.mit_name import read_name, require_supported
from edgeshift.checkpoints.mmaction_meta import read_meta
from edgeshift.checkpoints.weights_file import WeightsFile
from edgeshift.errors import CheckpointError

#: Default number of outputs for a file without a head: the classes of the Jester data set.
CLASSES = 27


@dataclass(frozen=True, eq=False)
class Record:
    """The facts that a weights file records.

    Attributes:
        match: the layout of the file and its tensors.
        facts: the configuration of the network, its labels, and other facts.
        known: facts that the tensors do not show, but that the file records in another way: values of
            ``edgeshift.checkpoints.layouts.Unknown``.
        notes: one line for each part of the file that could not be read.
        own_file: whether edgeshift wrote the file.
    """

    match: Match
    facts: Metadata
    known: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    own_file: bool = False


def read_record(file: WeightsFile, *, head: bool) -> Record:
    """Return the facts that a weights file records.

    Args:
        file: the file.
        head: whether to use the head of the file, its last layer.

    Raises:
        CheckpointError: the file has no known layout, or its description or name contradicts its tensors.
    """
    metadata = read_metadata(file)
    if metadata is not None:
        config = metadata.config
        match = match_tensors(file, own_layout(config), ((config.width, config.rounding),), head=head)
        if match.classes not in (None, config.classes):
            raise file.error(
                f"its description says {config.classes} outputs, its head has {match.classes}; save it again"
            )
        return Record(match, metadata, own_file=True)
    try:
        match = match_tensors(file, head=head)
    except CheckpointError:
        require_supported(file)  # if the file's name explains the unknown tensors, this error is clearer
        raise
    return _foreign(file, match)


def _foreign(file: WeightsFile, match: Match) -> Record:
    """Return what a file of another system says. Raise CheckpointError if it describes a network that is not read."""
    layout = match.layout
    name = read_name(file, layout)
    meta = read_meta(file.meta if layout.name == "mmaction2" else {}, match.classes)
    if meta.unsupported is not None:
        raise file.error(
            f"cannot be read: mmaction2's configuration in it has {meta.unsupported}. edgeshift would build "
            "another network from the same tensors: convert the network's own code, with --network FILE.py:FUNCTION"
        )
    found: dict[str, Any] = {"mean": meta.mean, "std": meta.std}
    known = set()
    div = name.div if name is not None else meta.div
    if div is not None and layout.network.table == "tsm":
        found["div"] = div
        known.add("shift_div")
    if meta.non_local in layout.kinds:
        found["non_local"] = meta.non_local
        known.add("non_local")
    config = replace(
        layout.network,
        classes=match.classes or CLASSES,
        width=match.width,
        rounding=match.rounding,
        **{field: value for field, value in found.items() if value is not None},
    )
    facts = Metadata(
        config=config,
        labels=meta.labels,
        frames=(None if name is None else name.frames) or meta.frames or layout.frames,
        channel_order=meta.order or layout.channel_order,
    )
    return Record(match, facts, frozenset(known), meta.notes)
