"""Tying quantization ranges, so that carrying the state is a copy of bytes.

A quantizer gives every tensor the range it measured. State-in and state-out are measured apart, come out with
different scales, and a state fed back unchanged then means something else: an error that grows frame by frame. Here
the tensors between which values only move (slices, concatenations, one-hot convolutions, and each state's two ends)
form groups, and each group gets the union of its ranges BEFORE quantization. As nothing is rescaled inside a group,
no QUANTIZE operator is left in it either.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeshift.converters.tflite_graph import Graph, Operator
from edgeshift.models.network import SEEN
from edgeshift.source import FRAME

#: Operators that only move values.
MOVES = ("SLICE", "STRIDED_SLICE", "CONCATENATION", "PAD", "RESHAPE", "TRANSPOSE", "MAX_POOL_2D")


def tie_ranges(results: dict[str, Any], graph: Graph) -> None:
    """Give each group of tensors one range, in place.

    Args:
        results: the quantizer's calibration, {tensor name: {"min": array, "max": array}}.
        graph: of the float model that was calibrated.
    """
    for group in groups(graph):
        names = [graph.names[index] for index in group]
        found = [known for name in names if (known := _range(results, name))]
        low, high = min((r[0] for r in found), default=0.0), max((r[1] for r in found), default=0.0)
        if graph.inputs[FRAME] in group:
            low, high = 0.0, 255.0  # scale 1, zero point -128: a pixel minus 128, nothing lost
        elif graph.inputs.get(SEEN) in group:
            low, high = 0.0, 1.0
        for name in names:
            if _range(results, name):
                results[name]["min"] = np.full_like(results[name]["min"], low)
                results[name]["max"] = np.full_like(results[name]["max"], high)


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
        elif operator.kind in ("MUL", "ADD", "SUB") and _blends(operator, graph, flags):
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
    if operator.kind != "DEPTHWISE_CONV_2D":
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
        if operator.kind in (*MOVES, "SUB") and set(inputs[:1]) <= flags and inputs:
            flags.update(operator.outputs)
    return flags


def _blends(operator: Operator, graph: Graph, flags: set[int]) -> bool:
    """True for the arithmetic of ``past * seen + own * (1 - seen)``: one of two values, chosen by a flag."""
    if not flags or operator.outputs[0] in flags:
        return False
    if operator.kind == "MUL":
        return any(tensor in flags for tensor in operator.inputs)
    products = {o.outputs[0] for o in graph.operators if o.kind == "MUL" and any(t in flags for t in o.inputs)}
    return operator.kind == "ADD" and all(tensor in products for tensor in operator.inputs)


def _range(results: dict[str, Any], name: str) -> tuple[float, float] | None:
    """The calibrated range of a tensor, if it has one."""
    entry = results.get(name)
    if not entry or "min" not in entry or "max" not in entry:
        return None
    return float(np.min(entry["min"])), float(np.max(entry["max"]))
