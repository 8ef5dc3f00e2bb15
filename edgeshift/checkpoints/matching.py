"""Match the tensors of a file with the tensors of a backbone. Either all match, or an error names one that does not."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from edgeshift.checkpoints.layouts import COUNTER, HEADS, LAYOUTS, Layout, Shapes, backbone_shapes, recognise
from edgeshift.checkpoints.weights_file import WeightsFile, quote
from edgeshift.models.config import Rounding

#: Every MobileNetV2 width multiplier that was published, the most common one first. They are tried in this order.
WIDTHS = (1.0, 0.75, 0.5, 0.35, 1.3, 1.4)
ROUNDINGS: tuple[Rounding, ...] = ("torchvision", "mit")

#: Prefix that torch's DataParallel adds to every name.
_PARALLEL = "module."


@dataclass(frozen=True, eq=False)
class Match:
    """The tensors of a file under our own names.

    Attributes:
        layout: the layout of the file.
        state: {our name: float32 tensor}, without the head if the file has none or its head was left out.
        classes: number of outputs of the file's head; None: no head, or the head was left out.
        width: MobileNetV2's width multiplier.
        rounding: how MobileNetV2 rounds its scaled widths.
    """

    layout: Layout
    state: dict[str, Tensor]
    classes: int | None
    width: float
    rounding: Rounding


def match_tensors(
    file: WeightsFile,
    layout: Layout | None = None,
    sizes: tuple[tuple[float, Rounding], ...] | None = None,
    *,
    head: bool = True,
) -> Match:
    """Match the tensors of a file with the tensors of a layout.

    Args:
        file: the file that was read.
        layout: the layout of the file; None: the most similar one of all known layouts.
        sizes: (width, rounding) pairs to try; None: all known pairs.
        head: whether to use the head of the file. False: it is left out.

    Raises:
        CheckpointError: no layout is similar enough, or a tensor is missing or unexpected, or has a wrong shape, a
            wrong type or values that are not finite. The message has the name of the tensor in the file.
    """
    prefix = _PARALLEL if sum(key.startswith(_PARALLEL) for key in file.tensors) * 2 > len(file.tensors) else ""
    layout = layout or _recognise(file, prefix)
    present = {key.removeprefix(prefix) for key in file.tensors}
    names = {name: prefix + file_name for name, file_name in layout.names(present).items()}
    our_head = f"{HEADS[layout.backbone]}."
    left_out: set[str] = set()
    if not head:
        left_out = {prefix + name + leaf for name in layout.heads for leaf in (".weight", ".bias")}
        names = {name: file_name for name, file_name in names.items() if not name.startswith(our_head)}
    _check_names(file, layout, names, left_out)
    tensors = {name: file.tensors[file_name] for name, file_name in names.items() if file_name in file.tensors}
    classes = _classes(file, names.get(f"{our_head}weight"))
    width, rounding = _find_size(file, layout, names, tensors, classes, sizes)
    # Values are checked after shapes, because a hostile tensor of a few bytes can claim a huge shape.
    state = {name: _checked(file, names[name], tensor) for name, tensor in tensors.items()}
    return Match(layout, state, classes, width, rounding)


def _recognise(file: WeightsFile, prefix: str) -> Layout:
    def classes(head: str) -> int | None:
        tensor = file.tensors.get(f"{prefix}{head}.weight")
        return tensor.shape[0] if tensor is not None and tensor.dim() == 2 else None

    layout = recognise({key.removeprefix(prefix) for key in file.tensors}, classes)
    if layout is None:
        first = next(iter(file.tensors))
        raise file.error(
            f"no known layout has its {len(file.tensors)} tensors (the first is {quote(first)}): tried {_tried()}; "
            "edgeshift reads MobileNetV2 and ResNet-50"
        )
    return layout


def _check_names(file: WeightsFile, layout: Layout, names: dict[str, str], left_out: set[str]) -> None:
    expected = set(names.values())
    for name in names.values():
        if name not in file.tensors and not name.endswith(COUNTER):
            raise file.error(f"tensor {quote(name)} is missing; {_advice(layout)}")
    for name in file.tensors:
        if name not in expected and name not in left_out:
            raise file.error(f"tensor {quote(name)} is unexpected; {_advice(layout)}")


def _find_size(
    file: WeightsFile,
    layout: Layout,
    names: dict[str, str],
    tensors: dict[str, Tensor],
    classes: int | None,
    sizes: tuple[tuple[float, Rounding], ...] | None,
) -> tuple[float, Rounding]:
    """Return the first (width, rounding) that fits all shapes. If none does, report one error of the closest pair."""
    scalable = layout.backbone == "mobilenet_v2"
    if sizes is None:
        pairs = tuple((width, rounding) for width in WIDTHS for rounding in ROUNDINGS)
        sizes = pairs if scalable else ((1.0, "torchvision"),)
    closest: tuple[list[str], float, Rounding] | None = None
    for width, rounding in sizes:
        shapes = backbone_shapes(layout.backbone, width, rounding)
        wrong = [name for name, t in tensors.items() if tuple(t.shape) != _shape(layout, shapes, name, classes)]
        if not wrong:
            return width, rounding
        if closest is None or len(wrong) < len(closest[0]):
            closest = (wrong, width, rounding)
    assert closest is not None
    (first, *_), width, rounding = closest
    expected = list(_shape(layout, backbone_shapes(layout.backbone, width, rounding), first, classes))
    at = f" at width {width:g}" if scalable else ""
    reason = f"tensor {quote(names[first])} has shape {list(tensors[first].shape)}, not {expected}{at}"
    raise file.error(f"{reason}; {_advice(layout)}")


def _shape(layout: Layout, shapes: Shapes, name: str, classes: int | None) -> tuple[int, ...]:
    shape = shapes[name]
    return (classes, *shape[1:]) if classes and name.startswith(f"{HEADS[layout.backbone]}.") else shape


def _classes(file: WeightsFile, head: str | None) -> int | None:
    if head is None:
        return None
    shape = file.tensors[head].shape
    if len(shape) != 2 or not 2 <= shape[0] <= 100_000:
        raise file.error(
            f"tensor {quote(head)} has shape {list(shape)}, not [outputs, features] with 2 or more outputs"
        )
    return int(shape[0])


def _checked(file: WeightsFile, name: str, tensor: Tensor) -> Tensor:
    """Return the tensor as float32, or a batch counter as int64."""
    counter = name.endswith(COUNTER)
    valid_type = not tensor.is_complex() if counter else tensor.is_floating_point()
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or not valid_type:
        kind = "whole numbers" if counter else "floating-point numbers"
        raise file.error(f"tensor {quote(name)} holds {tensor.dtype}, not plain {kind}; export it unquantized")
    if counter:
        return tensor.detach().to(torch.int64)
    tensor = tensor.detach().to(torch.float32)
    if not bool(torch.isfinite(tensor).all()):
        raise file.error(f"tensor {quote(name)} holds NaN or infinity; its training failed, use an earlier checkpoint")
    return tensor


def _advice(layout: Layout) -> str:
    return f"read as {layout.title}, the most similar of {_tried()}; download or export it again"


def _tried() -> str:
    return ", ".join(dict.fromkeys(["edgeshift", *(layout.name for layout in LAYOUTS)]))
