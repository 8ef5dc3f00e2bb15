"""Checks of a finished int8 graph: are its inputs and outputs as described, and does it compute in int8?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from edgeshift.artifact.spec import Dtype, GridSpec, TensorSpec
from edgeshift.errors import ConversionError


class End(NamedTuple):
    """One input or output of a graph, read back from the finished file.

    Attributes:
        shape: the tensor's shape, in the order of the description.
        dtype: the type its values are stored in.
        grid: scale and zero point of an int8 tensor; None: the tensor is float.
    """

    shape: tuple[int, ...]
    dtype: Dtype
    grid: GridSpec | None = None

    def __str__(self) -> str:
        grid = "" if self.grid is None else f", scale {self.grid.scale:g}, zero point {self.grid.zero_point}"
        return f"{self.dtype} {list(self.shape)}{grid}"


def describe_boundary(
    expected: Mapping[str, TensorSpec], inputs: Mapping[str, End], outputs: Mapping[str, End]
) -> dict[str, TensorSpec]:
    """Return the description of a finished graph's inputs and outputs.

    Args:
        expected: {name: description of the float step's frame, logits or state}. The graph must have the same shapes.
        inputs: {name: input of the graph}.
        outputs: {name: output of the graph}. A next state has the name of its state.

    Raises:
        ConversionError: a tensor has another shape than expected, or a state's input and output differ.
    """
    described = {}
    for name, tensor in expected.items():
        ends = [side[name] for side in (inputs, outputs) if name in side]
        require_same(name, *ends)
        end = ends[0]
        if end.shape != tensor.shape:
            raise ConversionError(f"the graph's {name} is {end}; the step has {list(tensor.shape)}")
        scale, zero_point = (1.0, 0) if end.grid is None else (end.grid.scale, end.grid.zero_point)
        described[name] = msgspec.structs.replace(tensor, dtype=end.dtype, scale=scale, zero_point=zero_point)
    return described


def require_same(name: str, read: object, written: object | None = None) -> None:
    """Raise a ConversionError if the form in which a state is read differs from the form in which it is written.

    Fed back without conversion, such a state has other values, and the error grows from frame to frame.
    """
    if written is not None and read != written:
        raise ConversionError(f"the graph's {name} is {read} where it is read and {written} where it is written")


def require_int8(conversions: int = 0, allowed: int = 0, floats: Sequence[str] = ()) -> None:
    """Raise a ConversionError for an int8 graph that computes in float. It is never replaced by a float artifact.

    Args:
        conversions: operators of the graph that convert between float and int8.
        allowed: conversions that a graph with a float boundary has at its inputs and outputs.
        floats: operators that compute in float.
    """
    if conversions > allowed:
        raise ConversionError(
            f"the int8 graph has {conversions} conversions between float and int8, and {allowed} are expected; it was "
            "not written"
        )
    if floats:
        raise ConversionError(f"the int8 graph still computes {', '.join(floats)} in float; it was not written")
