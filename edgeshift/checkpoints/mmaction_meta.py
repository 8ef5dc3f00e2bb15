"""What mmaction2 stores beside the weights: the configuration of the training, and the names of the classes.

mmaction2 saves ``{"meta": {"cfg": text, "dataset_meta": {"classes": [...]}}, "state_dict": ...}``; older versions use
the keys ``config`` and ``CLASSES``. The configuration is read as literals and never executed. Only facts that the
tensors do not show are taken from it, such as the shift divisor. Values that change what the network computes, without
a change of its tensors, must be the usual ones: other networks are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeshift._system.text import printable
from edgeshift.artifact.description import check_labels
from edgeshift.checkpoints.layouts import PLAIN_MEAN, ChannelOrder
from edgeshift.checkpoints.literal_config import NOT_LITERAL, read_config
from edgeshift.models.config import NonLocalKind, Rgb

#: {mode in a configuration: kind of the non-local blocks without ``use_scale``}.
KINDS: dict[object, NonLocalKind] = {
    "embedded_gaussian": "embedded_gaussian",
    "dot_product": "dot_product",
    "gaussian": "gaussian",
}
#: {option of a ResNet in a configuration: its only value that edgeshift reads}. The tensors do not show these.
USUAL: dict[str, object] = {"strides": (1, 2, 2, 2), "dilations": (1, 1, 1, 1)}
#: Depths of ResNets whose blocks have two convolutions, and are the same in both styles.
WITHOUT_STYLE = (18, 34)


@dataclass(frozen=True)
class MmactionMeta:
    """The facts that are stored beside the weights. None: not known.

    Attributes:
        div: the shift divisor.
        non_local: the kind of the non-local blocks.
        frames: number of frames of a training clip.
        mean, std: the normalisation, for values 0 to 255.
        order: the channel order of the frames.
        labels: the names of the classes.
        notes: one line for each part that could not be read.
        unsupported: what the network has that edgeshift does not read, although its tensors are those of a network
            that edgeshift reads; None: nothing.
    """

    div: int | None = None
    non_local: NonLocalKind | None = None
    frames: int | None = None
    mean: Rgb | None = None
    std: Rgb | None = None
    order: ChannelOrder | None = None
    labels: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    unsupported: str | None = None


def read_meta(meta: Mapping[Any, Any], classes: int | None) -> MmactionMeta:
    """Return the facts in the dictionary ``meta`` of a file.

    Args:
        meta: the dictionary; empty: the file has none.
        classes: number of outputs of the network; None: the head of the file is not used, so its labels are not read.
    """
    notes: list[str] = []
    text = next((meta[key] for key in ("cfg", "config") if isinstance(meta.get(key), str)), None)
    facts: dict[str, Any] = {}
    if text is not None:
        try:
            facts = _facts(read_config(text), notes)
        except ValueError as error:
            notes.append(f"mmaction2's configuration in the file is not used: {printable(str(error))}")
    labels = None if classes is None else _labels(meta, classes, notes)
    return MmactionMeta(**facts, labels=labels, notes=tuple(notes))


def _facts(config: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """Return the fields of ``MmactionMeta`` that a configuration gives."""
    model = _mapping(config.get("model"))
    backbone = _mapping(model.get("backbone"))
    facts: dict[str, Any] = {"unsupported": _unsupported(backbone)}
    if str(backbone.get("type", "")).endswith("TSM"):
        # 8 is mmaction2's default for both.
        facts["div"] = _whole(backbone.get("shift_div", 8), 2, 64, "shift_div", notes)
        facts["frames"] = _whole(backbone.get("num_segments", 8), 1, 4096, "num_segments", notes)
        block = _mapping(backbone.get("non_local_cfg"))
        if block:
            facts["non_local"] = _kind(block, notes)
    frames = _mapping(config.get("img_norm_cfg")) or _mapping(model.get("data_preprocessor"))
    if frames:
        mean, std = _three(frames.get("mean")), _three(frames.get("std"))
        if mean and std and min(std) > 0:
            facts |= {"mean": mean, "std": std}
        elif "mean" not in frames and "std" not in frames:
            facts |= {"mean": PLAIN_MEAN, "std": (1.0, 1.0, 1.0)}
        else:
            notes.append(
                "mmaction2's configuration has a mean and std that are not three numbers: ImageNet's are taken"
            )
        if frames.get("to_bgr") is True:
            facts["order"] = "bgr"
        elif frames.get("to_rgb") is True:  # it swaps the order of the decoder, which may be RGB or BGR
            facts["order"] = "unknown"
    return facts


def _unsupported(backbone: Mapping[str, Any]) -> str | None:
    """Return the option of a ResNet that makes it another network with the same tensors; None: there is no such option.

    A value that is not a literal counts as the usual one, because mmaction2 stores configurations with all values.
    """
    if backbone.get("style") == "caffe" and backbone.get("depth") not in WITHOUT_STYLE:
        return "style='caffe', in which the first convolution of a block has the stride"
    for option, usual in USUAL.items():
        value = backbone.get(option, usual)
        if value is not NOT_LITERAL and value != usual:
            return f"{option}={printable(repr(value))[:40]}, and edgeshift reads only {usual}"
    return None


def _kind(block: Mapping[str, Any], notes: list[str]) -> NonLocalKind | None:
    mode = block.get("mode", "embedded_gaussian")
    kind = KINDS.get(mode) if isinstance(mode, str) else None
    if kind is None:
        notes.append(f"mmaction2's configuration has non-local blocks of the mode {printable(repr(mode))[:40]}")
    elif kind == "embedded_gaussian" and block.get("use_scale", True) is not False:
        return "scaled_embedded_gaussian"
    return kind


def _labels(meta: Mapping[Any, Any], classes: int, notes: list[str]) -> tuple[str, ...] | None:
    stored = meta.get("dataset_meta")
    names = stored.get("classes", stored.get("CLASSES")) if isinstance(stored, Mapping) else None
    names = names if names is not None else meta.get("CLASSES")
    if not isinstance(names, list | tuple):
        return None
    try:
        check_labels(names, classes)
    except ValueError as error:
        notes.append(f"the class names in the file are not used: {printable(str(error))}")
        return None
    return tuple(names)


def _whole(value: object, smallest: int, largest: int, name: str, notes: list[str]) -> int | None:
    if type(value) is int and smallest <= value <= largest:
        return value
    notes.append(f"mmaction2's configuration has {name} {printable(repr(value))[:40]}, which is not usable")
    return None


def _three(value: object) -> Rgb | None:
    if not isinstance(value, tuple) or len(value) != 3:
        return None
    if not all(type(number) in (int, float) and abs(number) < 1e6 for number in value):
        return None
    red, green, blue = (float(number) for number in value)
    return red, green, blue


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
