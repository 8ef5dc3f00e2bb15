"""Match the tensors of a file with the tensors of a backbone. Either all match, or an error names one that does not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from edgeshift.checkpoints.layouts import COUNTER, LAYOUTS, Layout, Shapes, recognise
from edgeshift.checkpoints.weights_file import WeightsFile, quote
from edgeshift.models.config import Rounding

#: The common width multipliers of MobileNetV2, the most common one first. They are tried in this order.
WIDTHS = (1.0, 0.75, 0.5, 0.35, 1.3, 1.4)
MAX_WIDTH = 8.0
#: The tensor that shows any other width: the output of the last block, which has 320 channels at width 1.
LAST_BLOCK, LAST_CHANNELS = "features.17.conv.2.weight", 320
ROUNDINGS: tuple[Rounding, ...] = ("torchvision", "mit")

#: Largest number of parts of a prefix that is stripped, as in "module._orig_mod.".
MAX_PREFIX = 4
#: Names of tensors that training stores beside a network: moving averages, losses, and the preparation of frames.
COMPANIONS = re.compile(
    r"ema_|(model_)?ema\.|criterion\.|loss\w*\.|(\w+\.)?loss_\w+\.|data_preprocessor\.|\w*metrics?\."
)


@dataclass(frozen=True, eq=False)
class Match:
    """The tensors of a file under our own names.

    Attributes:
        layout: the layout of the file.
        state: {our name: float32 tensor}, without the head if the file has none or its head was left out.
        classes: number of outputs of the file's head; None: no head, or the head was left out.
        width: MobileNetV2's width multiplier.
        rounding: how MobileNetV2 rounds its scaled widths.
        companions: names of the tensors beside the network, which are not used.
    """

    layout: Layout
    state: dict[str, Tensor]
    classes: int | None
    width: float
    rounding: Rounding
    companions: tuple[str, ...] = ()


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
    if layout is None:
        layout, prefix = _recognise(file)
    else:
        prefix = ""
    present = {key.removeprefix(prefix) for key in file.tensors}
    names = {name: prefix + file_name for name, file_name in layout.names(present).items()}
    our_head = f"{layout.head}."
    left_out: set[str] = set()
    if not head:
        left_out = {prefix + name + leaf for name in layout.heads for leaf in (".weight", ".bias")}
        names = {name: file_name for name, file_name in names.items() if not name.startswith(our_head)}
    companions = _check_names(file, layout, names, left_out, prefix)
    tensors = {
        name: _flat_kernel(file.tensors[file_name]) if ".nl." in name else file.tensors[file_name]
        for name, file_name in names.items()
        if file_name in file.tensors
    }
    classes = _classes(file, names.get(f"{our_head}weight"))
    width, rounding = _find_size(file, layout, names, tensors, classes, sizes)
    # Values are checked after shapes, because a hostile tensor of a few bytes can claim a huge shape.
    state = {name: _checked(file, names[name], tensor) for name, tensor in tensors.items()}
    return Match(layout, state, classes, width, rounding, companions)


def _recognise(file: WeightsFile) -> tuple[Layout, str]:
    """Return the layout of a file, and the prefix of its names."""
    best: tuple[float, Layout, str] | None = None
    for prefix in _prefixes(file.tensors):
        names = [name for name in file.tensors if name.startswith(prefix) and not _companion(name, prefix)]

        def classes(head: str, prefix: str = prefix) -> int | None:
            tensor = file.tensors.get(f"{prefix}{head}.weight")
            return tensor.shape[0] if tensor is not None and tensor.dim() == 2 else None

        layout, similarity = recognise({name.removeprefix(prefix) for name in names}, classes)
        if layout is not None and (best is None or similarity > best[0]):
            best = (similarity, layout, prefix)
    if best is None:
        first = next(iter(file.tensors))
        raise file.error(
            f"no known layout has its {len(file.tensors)} tensors (the first is {quote(first)}): tried {_tried()}; "
            "edgeshift reads MobileNetV2 and ResNet-18, 34, 50 and 101; convert another network with its own code: "
            "--network FILE.py:FUNCTION"
        )
    return best[1], best[2]


def _prefixes(names: Collection[str]) -> Iterator[str]:
    """Yield the prefixes that more than half of the names share, such as "module.", the shortest one (empty) first."""
    prefix = ""
    yield prefix
    for _ in range(MAX_PREFIX):
        rests = (name[len(prefix) :] for name in names if name.startswith(prefix))
        parts = Counter(rest.partition(".")[0] for rest in rests if "." in rest).most_common(1)
        if not parts or parts[0][1] * 2 <= len(names):
            return
        prefix += f"{parts[0][0]}."
        yield prefix


def _companion(name: str, prefix: str) -> bool:
    """Return True if a tensor is stored beside the network, with the prefix of the network or without it."""
    return any(COMPANIONS.match(text) for text in (name, name.removeprefix(prefix)))


def _check_names(
    file: WeightsFile, layout: Layout, names: dict[str, str], left_out: set[str], prefix: str
) -> tuple[str, ...]:
    """Check that every tensor of the network is there, and return the names of the tensors beside it."""
    expected = set(names.values())
    for name in names.values():
        if name not in file.tensors and not name.endswith(COUNTER):
            raise file.error(f"tensor {quote(name)} is missing; {_advice(layout)}")
    others = [name for name in file.tensors if name not in expected and name not in left_out]
    for name in others:
        if not _companion(name, prefix):
            raise file.error(f"tensor {quote(name)} is unexpected; {_advice(layout)}")
    return tuple(others)


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
        sizes = tuple(_sizes(tensors)) if scalable else ((1.0, "torchvision"),)
    closest: tuple[list[str], float, Rounding] | None = None
    for width, rounding in sizes:
        shapes = layout.shapes(width, rounding)
        wrong = [name for name, t in tensors.items() if tuple(t.shape) != _shape(layout, shapes, name, classes)]
        if not wrong:
            return width, rounding
        if closest is None or len(wrong) < len(closest[0]):
            closest = (wrong, width, rounding)
    assert closest is not None
    (first, *_), width, rounding = closest
    expected = list(_shape(layout, layout.shapes(width, rounding), first, classes))
    at = f" at width {width:g}" if scalable else ""
    reason = f"tensor {quote(names[first])} has shape {list(tensors[first].shape)}, not {expected}{at}"
    raise file.error(f"{reason}; {_advice(layout)}")


def _sizes(tensors: dict[str, Tensor]) -> Iterator[tuple[float, Rounding]]:
    """Yield the sizes of MobileNetV2 to try: the common ones, then round numbers near the width of the last block."""
    near = tensors[LAST_BLOCK].shape[0] / LAST_CHANNELS if LAST_BLOCK in tensors and tensors[LAST_BLOCK].dim() else 0.0
    hundredths = [round(100 * near) + step for step in range(-5, 6)] if near <= MAX_WIDTH else []
    hundredths.sort(key=lambda width: (width % 10 != 0, width % 5 != 0, abs(width - 100 * near)))
    for width in (*WIDTHS, *(width / 100 for width in hundredths if 0 < width <= 100 * MAX_WIDTH)):
        for rounding in ROUNDINGS:
            yield width, rounding


def _shape(layout: Layout, shapes: Shapes, name: str, classes: int | None) -> tuple[int, ...]:
    shape = shapes[name]
    return (classes, *shape[1:]) if classes and name.startswith(f"{layout.head}.") else shape


def _classes(file: WeightsFile, head: str | None) -> int | None:
    if head is None:
        return None
    shape = file.tensors[head].shape
    if len(shape) != 2 or not 2 <= shape[0] <= 100_000:
        raise file.error(
            f"tensor {quote(head)} has shape {list(shape)}, not [outputs, features] with 2 or more outputs"
        )
    return int(shape[0])


def _flat_kernel(tensor: Tensor) -> Tensor:
    """Return the weights of a 1x1x1 convolution as those of a 1x1 convolution, and any other tensor unchanged."""
    flat = tensor.dim() == 5 and tensor.layout == torch.strided and tuple(tensor.shape[2:]) == (1, 1, 1)
    return tensor[:, :, 0] if flat else tensor


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
