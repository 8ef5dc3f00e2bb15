"""A file's tensors, matched with a backbone's: all of them, or an error that names the first that does not fit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from edgeshift.checkpoints.layouts import COUNTER, HEADS, LAYOUTS, Layout, Rounding, Shapes, backbone_shapes, recognise
from edgeshift.checkpoints.weights_file import WeightsFile, quote

#: MobileNetV2 widths that were ever published, the commonest first. They are tried in this order.
WIDTHS = (1.0, 0.75, 0.5, 0.35, 1.3, 1.4)
ROUNDINGS: tuple[Rounding, ...] = ("torchvision", "mit")

#: DataParallel's mark in front of every name.
_PARALLEL = "module."


@dataclass(frozen=True, eq=False)
class Fit:
    """Tensors that fit.

    Attributes:
        state: {our name: float32 tensor}; without a head if the file has none or it was left out.
        classes: outputs of the file's head; None if it has none or it was left out.
        width, rounding: MobileNetV2's.
    """

    layout: Layout
    state: dict[str, Tensor]
    classes: int | None
    width: float
    rounding: Rounding


def fit(
    file: WeightsFile,
    layout: Layout | None = None,
    sizes: tuple[tuple[float, Rounding], ...] | None = None,
    *,
    head: bool = True,
) -> Fit:
    """Match a file's tensors with a layout's.

    Args:
        layout: None: whichever fits best.
        sizes: (width, rounding) pairs to try; None: all that are known.
        head: False: leave the file's head out, if it has one.

    Raises:
        CheckpointError: no layout fits, or a tensor is missing, unexpected, mis-shaped, not of numbers or not finite;
            names are the file's own.
    """
    outer = _PARALLEL if sum(key.startswith(_PARALLEL) for key in file.tensors) * 2 > len(file.tensors) else ""
    layout = layout or _recognise(file, outer)
    present = {key.removeprefix(outer) for key in file.tensors}
    names = {ours: outer + theirs for ours, theirs in layout.names(present).items()}
    ours_head = f"{HEADS[layout.backbone]}."
    if not head:
        left_out = {outer + name + leaf for name in layout.heads for leaf in (".weight", ".bias")}
        names = {ours: theirs for ours, theirs in names.items() if not ours.startswith(ours_head)}
    else:
        left_out = set()
    _check_names(file, layout, names, left_out)
    found = {ours: file.tensors[theirs] for ours, theirs in names.items() if theirs in file.tensors}
    classes = _classes(file, layout, names.get(f"{ours_head}weight"))
    width, rounding = _check_shapes(file, layout, names, found, classes, sizes)
    state = {ours: _number(file, names[ours], tensor) for ours, tensor in found.items()}
    return Fit(layout, state, classes, width, rounding)


def _recognise(file: WeightsFile, outer: str) -> Layout:
    def classes(head: str) -> int | None:
        tensor = file.tensors.get(f"{outer}{head}.weight")
        return tensor.shape[0] if tensor is not None and tensor.dim() == 2 else None

    layout = recognise({key.removeprefix(outer) for key in file.tensors}, classes)
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


def _check_shapes(
    file: WeightsFile,
    layout: Layout,
    names: dict[str, str],
    found: dict[str, Tensor],
    classes: int | None,
    sizes: tuple[tuple[float, Rounding], ...] | None,
) -> tuple[float, Rounding]:
    """The first width whose shapes all fit. If none does, the error is about the one that fits most of them."""
    if sizes is None:
        one = layout.backbone != "mobilenet_v2"
        sizes = ((1.0, "torchvision"),) if one else tuple((width, how) for width in WIDTHS for how in ROUNDINGS)
    closest: tuple[int, str] | None = None
    for width, rounding in sizes:
        shapes = backbone_shapes(layout.backbone, width, rounding)
        wrong = [ours for ours, tensor in found.items() if tuple(tensor.shape) != _shape(layout, shapes, ours, classes)]
        if not wrong:
            return width, rounding
        if closest is None or len(wrong) < closest[0]:
            expected = _shape(layout, shapes, wrong[0], classes)
            at = f" at width {width:g}" if layout.backbone == "mobilenet_v2" else ""
            closest = (
                len(wrong),
                f"tensor {quote(names[wrong[0]])} has shape {list(found[wrong[0]].shape)}, not {list(expected)}{at}",
            )
    assert closest is not None
    raise file.error(f"{closest[1]}; {_advice(layout)}")


def _shape(layout: Layout, shapes: Shapes, ours: str, classes: int | None) -> tuple[int, ...]:
    shape = shapes[ours]
    return (classes, *shape[1:]) if classes and ours.startswith(f"{HEADS[layout.backbone]}.") else shape


def _classes(file: WeightsFile, layout: Layout, head: str | None) -> int | None:
    if head is None:
        return None
    shape = file.tensors[head].shape
    if len(shape) != 2 or not 2 <= shape[0] <= 100_000:
        raise file.error(
            f"tensor {quote(head)} has shape {list(shape)}, not [outputs, features] with 2 or more outputs"
        )
    return int(shape[0])


def _number(file: WeightsFile, name: str, tensor: Tensor) -> Tensor:
    """The tensor as float32 (a counter as int64), after its shape was found right: a hostile one can be huge."""
    counter = name.endswith(COUNTER)
    right = not tensor.is_complex() if counter else tensor.is_floating_point()
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or not right:
        kind = "whole numbers" if counter else "floating-point numbers"
        raise file.error(f"tensor {quote(name)} holds {tensor.dtype}, not plain {kind}; export it unquantized")
    if counter:
        return tensor.detach().to(torch.int64)
    tensor = tensor.detach().to(torch.float32)
    if not bool(torch.isfinite(tensor).all()):
        raise file.error(f"tensor {quote(name)} holds NaN or infinity; its training failed, use an earlier checkpoint")
    return tensor


def _advice(layout: Layout) -> str:
    return f"read as {layout.title}, the closest of {_tried()}; download or export it again"


def _tried() -> str:
    return ", ".join(dict.fromkeys(["edgeshift", *(layout.name for layout in LAYOUTS)]))
