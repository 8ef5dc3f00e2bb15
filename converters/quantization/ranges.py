"""Tying quantization ranges, so that carrying the state is a copy of bytes. The same for every target.

A quantizer gives every tensor the range it measured. State-in and state-out are measured apart, come out with
different scales, and a state fed back unchanged then means something else: an error that grows frame by frame. Here
the tensors between which values only move (slices, concatenations, one-hot convolutions, and each state's two ends)
form groups, and each group gets the union of its ranges BEFORE quantization. As nothing is rescaled inside a group,
no operator that converts is left in it either.

A target reads its graph into ``Graph``, with the kinds below for the operators that matter here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from edgeshift.artifact.spec import FRAME
from edgeshift.models.network import SEEN
from edgeshift.stream import Array

#: Operators that only move values, and the others that are looked at. The names are TFLite's.
MOVES = ("SLICE", "STRIDED_SLICE", "CONCATENATION", "PAD", "RESHAPE", "TRANSPOSE", "MAX_POOL_2D")
DEPTHWISE, MUL, ADD, SUB = "DEPTHWISE_CONV_2D", "MUL", "ADD", "SUB"

#: The smallest and the largest value met.
Range = tuple[float, float]


@dataclass(frozen=True)
class Operator:
    """One operator: its kind, and the tensors it reads and writes by index (-1: none)."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass
class Graph:
    """A graph as far as ranges are concerned.

    Attributes:
        names: of the tensors, by index. constants: {index: float32 content} of those that have some.
        inputs, outputs: {name of the step's tensor: index}; a state has the same name in both.
    """

    names: list[str] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    constants: dict[int, Array] = field(default_factory=dict)
    inputs: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)


def tied(graph: Graph, measured: Mapping[str, Range]) -> dict[str, Range]:
    """The range of each tensor that is in a group: one for all of the group.

    Args:
        graph: of the float model. measured: {tensor name: range}, as far as there is one.
    """
    ranges: dict[str, Range] = {}
    for group in groups(graph):
        names = [graph.names[index] for index in group]
        found = [measured[name] for name in names if name in measured]
        low, high = min((r[0] for r in found), default=0.0), max((r[1] for r in found), default=0.0)
        if graph.inputs[FRAME] in group:
            low, high = 0.0, 255.0  # scale 1, zero point -128: a pixel minus 128, nothing lost
        elif graph.inputs.get(SEEN) in group:
            low, high = 0.0, 1.0
        ranges.update(dict.fromkeys(names, (low, high)))
    return ranges


def groups(graph: Graph) -> list[set[int]]:
    """The sets of tensors between which values only move."""
    parent = list(range(len(graph.names)))

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    def join(*tensors: int) -> None:
        for other in tensors[1:]:
            parent[root(other)] = root(tensors[0])

    flags = _flags(graph)
    for operator in graph.operators:
        if operator.kind in MOVES:
            data = operator.inputs if operator.kind == "CONCATENATION" else operator.inputs[:1]
            join(operator.outputs[0], *data)
        elif _one_hot(operator, graph):
            join(operator.outputs[0], operator.inputs[0])
        elif operator.kind in (MUL, ADD, SUB) and _blends(operator, graph, flags):
            join(operator.outputs[0], *(tensor for tensor in operator.inputs if tensor not in flags))
    for name in graph.inputs.keys() & graph.outputs.keys():
        join(graph.inputs[name], graph.outputs[name])
    join(*flags, *([graph.inputs[SEEN]] if SEEN in graph.inputs else []))
    by_root: dict[int, set[int]] = {}
    for index in range(len(parent)):
        by_root.setdefault(root(index), set()).add(index)
    return [group for group in by_root.values() if len(group) > 1 or graph.inputs[FRAME] in group]


def _one_hot(operator: Operator, graph: Graph) -> bool:
    """True for a depthwise convolution that only moves pixels."""
    if operator.kind != DEPTHWISE:
        return False
    kernel = graph.constants.get(operator.inputs[1])
    return kernel is not None and bool(np.isin(kernel, (0.0, 1.0)).all())


def _flags(graph: Graph) -> set[int]:
    """Tensors that hold 0 or 1, derived from the count of frames seen (tables that keep their own features)."""
    if SEEN not in graph.inputs:
        return set()
    flags = {graph.inputs[SEEN]}
    for operator in graph.operators:
        inputs = [tensor for tensor in operator.inputs if tensor not in graph.constants]
        if operator.kind in (*MOVES, SUB) and set(inputs[:1]) <= flags and inputs:
            flags.update(operator.outputs)
    return flags


def _blends(operator: Operator, graph: Graph, flags: set[int]) -> bool:
    """True for the arithmetic of ``past * seen + own * (1 - seen)``: one of two values, chosen by a flag."""
    if not flags or operator.outputs[0] in flags:
        return False
    if operator.kind == MUL:
        return any(tensor in flags for tensor in operator.inputs)
    products = {o.outputs[0] for o in graph.operators if o.kind == MUL and any(t in flags for t in o.inputs)}
    return operator.kind == ADD and all(tensor in products for tensor in operator.inputs)
