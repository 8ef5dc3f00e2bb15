"""What a weights file says about its network: by its tensors, its name, and what is stored beside the weights."""

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
    """What a file says.

    Attributes:
        match: the tensors.
        facts: the facts about the network.
        known: those facts that the tensors do not show and the file says, names of ``edgeshift.checkpoints.layouts``.
        notes: what could not be read, one line each.
        own_file: whether edgeshift wrote the file.
    """

    match: Match
    facts: Metadata
    known: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    own_file: bool = False


def read_record(file: WeightsFile, *, head: bool) -> Record:
    """Return what a file says.

    Args:
        file: the file.
        head: whether to use the head of the file.

    Raises:
        CheckpointError: the file has no known layout, or contradicts itself.
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
        require_supported(file)  # its message names the part that explains the tensors
        raise
    return _foreign(file, match)


def _foreign(file: WeightsFile, match: Match) -> Record:
    """Return what a file of another system says. Raise CheckpointError if it describes a network that is not read."""
    layout = match.layout
    name = read_name(file, layout)
    meta = read_meta(file.meta if layout.name == "mmaction2" else {}, match.classes)
    if meta.unsupported is not None:
        raise file.error(
            f"cannot be read: mmaction2's configuration in it has {meta.unsupported}. The tensors have the same names "
            "in both networks: give the network's own code with edgeshift convert --network FILE.py:FUNCTION"
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
