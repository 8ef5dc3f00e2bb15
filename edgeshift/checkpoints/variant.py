"""Facts about a network that its tensors do not show: the shift divisor, TSAM's depth, the kind of non-local blocks.

A fact is taken from the file (from a configuration in it, or from the file's name). If the file does not record the
fact, it is taken from an option. If the option is not given either, the usual value is assumed, and a note says so. The
kind of non-local blocks has no usual value, so a missing kind is an error that names the option.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from edgeshift.checkpoints.checkpoint import LoadOptions
from edgeshift.checkpoints.layouts import Layout, Unknown
from edgeshift.checkpoints.weights_file import WeightsFile
from edgeshift.errors import CheckpointError
from edgeshift.models import ModelConfig
from edgeshift.models.config import DIVIDED

#: {option of ``load``: (field of ``ModelConfig``, the shift tables that it applies to, its name in messages)}.
SHIFT_FACTS: dict[Unknown, tuple[str, tuple[str, ...], str]] = {
    "shift_div": ("div", DIVIDED, "shift divisor"),
    "depth": ("depth", ("tsam",), "depth K"),
}


#: A part of every note about a fact that the file does not record.
NOT_RECORDED = "the file does not record"


class UnknownKindError(CheckpointError):
    """The weights have non-local blocks, and neither the file nor an option tells their kind."""


@dataclass(frozen=True)
class Variant:
    """The result of ``choose_variant``.

    Attributes:
        config: the configuration of the network, with all facts.
        notes: what is assumed, one line each.
        unused: {option that was given and changed nothing: why}.
    """

    config: ModelConfig
    notes: tuple[str, ...] = ()
    unused: tuple[tuple[str, str], ...] = ()


def choose_variant(
    file: WeightsFile, layout: Layout, recorded: ModelConfig, config: ModelConfig, known: Set[str], options: LoadOptions
) -> Variant:
    """Complete a configuration with the facts of the file and of the options.

    Args:
        file: the weights file.
        layout: its layout.
        recorded: the configuration that the file shows.
        config: the configuration of the network to build. Its shift table differs from that of ``recorded`` if the
            weights were trained without a shift and are loaded with one.
        known: the facts that the file records, from ``edgeshift.checkpoints.layouts.Unknown``.
        options: options of ``load``.

    Raises:
        CheckpointError: an option contradicts the file.
        UnknownKindError: the kind of the non-local blocks is not known.
    """
    notes: list[str] = []
    unused: dict[str, str] = {}
    chosen: dict[str, Any] = {}
    for option, (field, tables, name) in SHIFT_FACTS.items():
        given, value = options.get(option), getattr(config, field)
        same_shift = config.table == recorded.table
        if config.table not in tables:
            if given is not None:
                unused[option] = f"a {config.table} has no {name}"
        elif not same_shift:  # the weights have no shift, so any shift may be chosen
            chosen |= {} if given is None else {field: given}
        elif option in known or option not in layout.unknown:
            if given not in (None, value):
                raise file.error(f"was trained with the {name} {value}, not {given}: leave --{_dashed(option)} out")
            if given is not None:
                unused[option] = f"the file is recognised with the {name} {value} without it"
        elif given is not None:
            chosen[field] = given
            notes.append(f"the {name} is taken as {given}, as requested: {NOT_RECORDED} it")
        else:
            notes.append(
                f"{NOT_RECORDED} the {name}: {value} is assumed; if the weights were trained with another one, give "
                f"--{_dashed(option)} N, or the answers are wrong"
            )
    kind = options.get("non_local")
    if config.non_local is None:
        if kind is not None:
            unused["non_local"] = "the network has no non-local blocks"
    elif "non_local" in layout.unknown and "non_local" not in known:
        kinds = layout.kinds
        if kind is None:
            reason = (
                "several kinds of non-local blocks have the same tensors, and the file has no configuration that says"
            )
            raise UnknownKindError(
                str(file.error(f"{reason} which kind it holds: give --non-local {' or '.join(kinds)}"))
            )
        if kind not in kinds:
            raise file.error(f"its tensors show non-local blocks of the kind {' or '.join(kinds)}, not {kind}")
        chosen["non_local"] = kind
        notes.append(f"the non-local blocks are taken as {kind}, as requested: {NOT_RECORDED} their kind")
    elif kind is not None:
        if kind != config.non_local:
            raise file.error(f"was trained with non-local blocks of the kind {config.non_local}: leave --non-local out")
        unused["non_local"] = f"the file is recognised as {kind} without it"
    return Variant(replace(config, **chosen), tuple(notes), tuple(unused.items()))


def _dashed(option: str) -> str:
    return option.replace("_", "-")
