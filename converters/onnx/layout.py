"""Two rewrites of the exported float graph that compute the same values faster in ONNX Runtime.

``move_spatial_shifts`` puts the one-hot convolutions that shift in height and width after the concatenation with the
state. In that position, one convolution covers all channels of the block:

    before   x -- Slice -- Conv -- Concat -- y        after   x -- Slice -- Concat -- Conv -- y
                          state ---'                               state ---'

A block has a multiple of 8 channels, for which depthwise kernels are optimized. Without the channels that shift in
time, it has another number: int8 kernels compute the remainder one by one, and fp32 leaves its blocked layout.

``states_last`` makes the states channels last, the order in which ONNX Runtime computes int8. fp32 is computed channels
first, and fp32 states stay in that order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edgeshift.artifact.spec import PICTURES, TensorSpec
from edgeshift.converters.onnx.graph import attribute, drop_unused_constants
from edgeshift.stream import Array

if TYPE_CHECKING:
    import onnx

#: Padding of a convolution that shifts by one pixel (``edgeshift.models.shift_layers``).
PADS = [1, 1, 1, 1]
#: Permutations to channels first, and to channels last.
FIRST, LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def move_spatial_shifts(model: onnx.ModelProto) -> onnx.ModelProto:
    """Move spatial shifts after concatenations. The exported float model is changed in place and returned."""
    from onnx import helper, numpy_helper

    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    channels = _channels(model)
    read = [name for node in graph.node for name in node.input]
    shifts = {
        node.output[0]: node
        for node in graph.node
        if _is_spatial_shift(node, constants) and read.count(node.output[0]) == 1
    }
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        nodes.append(node)
        if node.op_type != "Concat" or attribute(node, "axis", 0) != 1 or not shifts.keys() & set(node.input):
            continue
        whole, pieces = node.output[0], [shifts.pop(name, name) for name in node.input]
        kernels = [_identity_kernels(channels[p]) if isinstance(p, str) else constants[p.input[1]] for p in pieces]
        kernel = numpy_helper.from_array(np.concatenate(kernels), f"{whole}/kernel")
        graph.initializer.append(kernel)
        nodes = [other for other in nodes if all(other is not piece for piece in pieces)]
        node.input[:] = [p if isinstance(p, str) else p.input[0] for p in pieces]
        node.output[0] = f"{whole}/unshifted"
        inputs, shape, group = [node.output[0], kernel.name], list(kernel.dims[2:]), kernel.dims[0]
        shift = helper.make_node("Conv", inputs, [whole], f"{whole}/shifts", group=group, kernel_shape=shape, pads=PADS)
        nodes.append(shift)
    del graph.node[:]
    graph.node.extend(nodes)
    drop_unused_constants(graph)
    return model


def states_last(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a float model that takes and returns states channels last. Inside, they stay channels first."""
    import onnx

    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    ends = [value for value in (*graph.input, *graph.output) if _is_state(value)]
    inside = {value.name: f"{value.name}/first" for value in ends}
    for node in graph.node:
        node.input[:] = [inside.get(name, name) for name in node.input]
        node.output[:] = [inside.get(name, name) for name in node.output]
    inputs = {value.name for value in graph.input}
    before, after = [], []
    for value in ends:
        sizes = value.type.tensor_type.shape.dim
        outside = [sizes[axis].dim_value for axis in LAST]
        whole = [size.dim_value for size in sizes]
        name, first = value.name, inside[value.name]
        if name in inputs:
            before.append(_reordered(graph, name, first, FIRST, whole))
        else:
            after.append(_reordered(graph, first, name, LAST, outside))
        for size, last in zip(sizes, outside, strict=True):
            size.dim_value = last
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)
    return changed


def _reordered(
    graph: onnx.GraphProto, source: str, result: str, order: Sequence[int], shape: Sequence[int]
) -> onnx.NodeProto:
    """Return an operator that permutes the dimensions of a tensor.

    Args:
        graph: the graph, to which a constant may be added.
        source, result: names of the tensor, and of the permuted one.
        order: the permutation.
        shape: shape of the permuted tensor. If all its sides but one are 1, no value moves, and the operator is a
            reshape: QNN does not compile a transpose of such a tensor at the end of a graph.
    """
    from onnx import helper, numpy_helper

    if sum(side > 1 for side in shape) > 1:
        return helper.make_node("Transpose", [source], [result], f"Transpose/{result}", perm=order)
    graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), f"{result}/shape"))
    return helper.make_node("Reshape", [source, f"{result}/shape"], [result], f"Reshape/{result}")


def channels_first(tensor: TensorSpec) -> TensorSpec:
    """Return the description of a state, channels first instead of last; other tensors are returned unchanged."""
    if tensor.name in PICTURES or len(tensor.shape) != 4:
        return tensor
    return msgspec.structs.replace(tensor, shape=tuple(tensor.shape[axis] for axis in FIRST), channels="first")


def _is_state(value: onnx.ValueInfoProto) -> bool:
    return value.name not in PICTURES and len(value.type.tensor_type.shape.dim) == 4


def _is_spatial_shift(node: onnx.NodeProto, constants: Mapping[str, Array]) -> bool:
    """Return True for a one-hot depthwise convolution that shifts by one pixel."""
    if node.op_type != "Conv" or len(node.input) > 2 or list(attribute(node, "pads", [])) != PADS:
        return False
    kernel = constants[node.input[1]]
    return kernel.shape[1:] == (1, 3, 3) and bool(np.isin(kernel, (0.0, 1.0)).all())


def _identity_kernels(channels: int) -> Array:
    """Return one-hot kernels that leave their channels where they are."""
    kernel = np.zeros((channels, 1, 3, 3), np.float32)
    kernel[:, 0, 1, 1] = 1
    return kernel


def _channels(model: onnx.ModelProto) -> dict[str, int]:
    """Return {tensor: its second dimension}, for tensors that have one."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(model).graph
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*graph.input, *graph.value_info)}
    shapes |= {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    return {name: shape[1] for name, shape in shapes.items() if len(shape) > 1}
