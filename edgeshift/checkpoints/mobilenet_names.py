"""The names of MobileNetV2's tensors in the files of other systems. Our own names are torchvision's."""

from __future__ import annotations

import re

#: The blocks that are shifted.
_PLACES = (3, 5, 6, 8, 9, 10, 12, 13, 15, 16)
#: The stages as mmaction2 numbers them: (layer, first block).
_STAGES = ((7, 17), (6, 14), (5, 11), (4, 7), (3, 4), (2, 2), (1, 1))

_BLOCK = re.compile(r"features\.(\d+)\.conv\.(\d+)(?:\.(\d))?\.(\w+)")
_ENDS = re.compile(r"features\.(0|18)\.(\d)\.(\w+)")


def flat(name: str, prefix: str = "", shifted: bool = False) -> str:
    """Rename for MIT's and tonylins' MobileNetV2, which number the convolutions, norms and activations of a block."""
    part = _block(name)
    if not part:
        return prefix + name
    block, unit, norm, leaf = part
    net = ".net" if shifted and block in _PLACES and (unit, norm) == (0, 0) else ""
    return f"{prefix}features.{block}.conv.{3 * unit + norm}{net}.{leaf}"


def mmaction2(name: str, shifted: bool = False) -> str:
    """Rename for mmaction2's MobileNetV2, which has stages. The shift wraps a module of convolution and norm."""
    end = _ENDS.fullmatch(name)
    if end:
        return f"backbone.conv{1 if end[1] == '0' else 2}.{('conv', 'bn')[int(end[2])]}.{end[3]}"
    part = _block(name)
    assert part, name
    block, unit, norm, leaf = part
    layer, first = next((layer, first) for layer, first in _STAGES if block >= first)
    net = ".net" if shifted and block in _PLACES and unit == 0 else ""
    return f"backbone.layer{layer}.{block - first}.conv.{unit}{net}.{('conv', 'bn')[norm]}.{leaf}"


def _block(name: str) -> tuple[int, int, int, str] | None:
    """Split our name into (block, convolution in the block, 0 for the convolution or 1 for its norm, parameter)."""
    match = _BLOCK.fullmatch(name)
    if not match:
        return None
    block, unit = int(match[1]), int(match[2])
    if match[3] is not None:
        return block, unit, int(match[3]), match[4]
    # The projection has no activation and is not nested: its convolution and its norm are numbered one after the other.
    last = 1 if block == 1 else 2
    return block, last, unit - last, match[4]
