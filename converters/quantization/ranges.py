"""Tied ranges: tensors that share one int8 range, so that a state is fed back by copying its bytes.

A quantizer usually gives every tensor its own range. The input and the output of a state then get two scales, so a
state that is fed back has other values, and the error grows from frame to frame. Here, tensors form a group if values
are only moved between them: by slices, concatenations, one-hot convolutions, and from a state's output to its input.
All tensors of a group get the union of their ranges before quantization, so that operators inside a group need not
convert values from one scale to another.

Each target reads its own kind of graph into ``Graph``. The names of operator kinds are those of TFLite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from edgeshift.artifact.spec import CLIP, FRAME
from edgeshift.models.network import SEEN
from edgeshift.stream import Array

MAXIMUM = "MAXIMUM"
#: Operators that only move values.
MOVES = ("SLICE", "STRIDED_SLICE", "CONCATENATION", "PAD", "RESHAPE", "TRANSPOSE", "MAX_POOL_2D", MAXIMUM)
#: Of these, those that move values of all inputs. The others have one input with values, and further ones with shapes.
OF_ALL_INPUTS = ("CONCATENATION", MAXIMUM)
#: Operators that tie ranges only under the conditions in ``groups``.
DEPTHWISE, MUL, ADD, SUB = "DEPTHWISE_CONV_2D", "MUL", "ADD", "SUB"

T = TypeVar("T")
#: The smallest and the largest value of a tensor.
Range = tuple[float, float]


@dataclass(frozen=True)
class Operator:
    """One operator: its kind, and the indices of the tensors it reads and writes (-1: an input that is left out)."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass
class Graph:
    """The parts of a graph that decide which ranges are tied.

    Attributes:
        names: names of the tensors, by index.
        operators: the operators, in the order in which they run.
        constants: {index of a constant tensor: its float32 values}.
        inputs: {name in the step function: index}.
        outputs: {name in the step function: index}. A next state has the name of its state.
    """

    names: list[str] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    constants: dict[int, Array] = field(default_factory=dict)
    inputs: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)


def picture(inputs: Mapping[str, T]) -> T:
    """Return what belongs to the frame or to the clip, of a mapping with the names of the graph's inputs."""
    return inputs[FRAME] if FRAME in inputs else inputs[CLIP]


def tied(graph: Graph, measured: Mapping[str, Range]) -> dict[str, Range]:
    """Return {tensor name: range} for every tensor in a group, the same range for all tensors of the group.

    Args:
        graph: the float model.
        measured: {tensor name: range}. Tensors without a measured range get that of their group.
    """
    ranges: dict[str, Range] = {}
    ones = _ones(graph)
    for group in groups(graph):
        names = [graph.names[index] for index in group]
        known = [measured[name] for name in names if name in measured]
        low, high = min((r[0] for r in known), default=0.0), max((r[1] for r in known), default=0.0)
        if picture(graph.inputs) in group:
            low, high = 0.0, 255.0  # scale 1, zero point -128: a pixel minus 128, without rounding
        elif graph.inputs.get(SEEN) in group or ones & group:
            low, high = 0.0, 1.0
        ranges.update(dict.fromkeys(names, (low, high)))
    return ranges


def groups(graph: Graph) -> list[set[int]]:
    """Return the groups of tied tensors, as sets of indices: values are only moved inside a group."""
    group_of = {index: {index} for index in range(len(graph.names))}

    def join(*tensors: int) -> None:
        joined = set().union(*(group_of[tensor] for tensor in tensors))
        group_of.update(dict.fromkeys(joined, joined))

    flags, ones = _flags(graph), _ones(graph)
    for operator in graph.operators:
        if operator.kind in MOVES:
            data = operator.inputs if operator.kind in OF_ALL_INPUTS else operator.inputs[:1]
            join(operator.outputs[0], *data)
        elif _one_hot(operator, graph):
            join(operator.outputs[0], operator.inputs[0])
        elif operator.kind == MUL and ones.intersection(operator.inputs):
            join(operator.outputs[0], *(tensor for tensor in operator.inputs if tensor not in ones))
        elif operator.kind in (MUL, ADD, SUB) and _blends(operator, graph, flags):
            join(operator.outputs[0], *(tensor for tensor in operator.inputs if tensor not in flags))
    for name in graph.inputs.keys() & graph.outputs.keys():
        join(graph.inputs[name], graph.outputs[name])
    join(*flags, *([graph.inputs[SEEN]] if SEEN in graph.inputs else []))
    different = {id(group): group for group in group_of.values()}.values()
    return [group for group in different if len(group) > 1 or picture(graph.inputs) in group or ones & group]


def _one_hot(operator: Operator, graph: Graph) -> bool:
    """Return True for a depthwise convolution that only moves pixels (``edgeshift.models.shift_layers``)."""
    if operator.kind != DEPTHWISE:
        return False
    kernel = graph.constants.get(operator.inputs[1])
    return kernel is not None and bool(np.isin(kernel, (0.0, 1.0)).all())


def _ones(graph: Graph) -> set[int]:
    """Return the tensors that hold the 1 by which fresh states are multiplied (``edgeshift.converters.fresh``)."""
    pixels, largest, ones = {picture(graph.inputs)}, set[int](), set[int]()
    for operator in graph.operators:
        if operator.kind == MAXIMUM and pixels.intersection(operator.inputs) and _has_constant(operator, graph, 255):
            largest.update(operator.outputs)
        elif operator.kind in MOVES and set(operator.inputs[:1]) <= pixels:
            pixels.update(operator.outputs)
        elif operator.kind in (ADD, SUB) and largest.intersection(operator.inputs):
            ones.update(operator.outputs)
    return ones


def _has_constant(operator: Operator, graph: Graph, value: float) -> bool:
    """Return True if an operator reads a constant that has only this value."""
    constants = (graph.constants[tensor] for tensor in operator.inputs if tensor in graph.constants)
    return any(constant.size and bool((constant == value).all()) for constant in constants)


def _flags(graph: Graph) -> set[int]:
    """Return the tensors that hold 0 or 1: whether a past frame exists, for shift tables with the fill "keep"."""
    if SEEN not in graph.inputs:
        return set()
    flags = {graph.inputs[SEEN]}
    for operator in graph.operators:
        inputs = [tensor for tensor in operator.inputs if tensor not in graph.constants]
        if operator.kind in (*MOVES, SUB) and set(inputs[:1]) <= flags and inputs:
            flags.update(operator.outputs)
    return flags


def _blends(operator: Operator, graph: Graph, flags: set[int]) -> bool:
    """Return True for an operator of ``past * seen + own * (1 - seen)``, which selects one of two values by a flag."""
    if not flags or operator.outputs[0] in flags:
        return False
    if operator.kind == MUL:
        return any(tensor in flags for tensor in operator.inputs)
    products = {o.outputs[0] for o in graph.operators if o.kind == MUL and any(t in flags for t in o.inputs)}
    return operator.kind == ADD and all(tensor in products for tensor in operator.inputs)
