"""int8 as explicit pairs of QuantizeLinear and DequantizeLinear around the operators of the float graph.

    float        x ---------------- Conv -- Clip -- y              y is measured behind the Clip: runtimes fuse it
    int8   x' -- DequantizeLinear -- Conv -- Clip -- QuantizeLinear -- y'

A runtime that knows the pattern (ONNX Runtime, TensorRT) computes what lies between two pairs in integers. Weights are
symmetric, one scale per output channel (Krishnamoorthi, arXiv 1806.08342); activations have the grid of their group
(``edgeshift.converters.quantization.ranges``), so that what only moves is copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgeshift._system.quiet import quiet
from edgeshift.artifact.spec import FRAME
from edgeshift.converters.onnx.graph import read_graph
from edgeshift.converters.quantization.ranges import Range, groups, tied
from edgeshift.stream import Array

if TYPE_CHECKING:
    import onnx

#: Operators whose second input is a weight with the output channels first, and whose third is a bias.
WEIGHTED = ("Conv", "Gemm")
#: Activations that runtimes fuse into the operator before; a tensor between the two is never made.
FUSED = ("Clip", "Relu")


@dataclass(frozen=True)
class Grid:
    """``real = scale * (stored - zero_point)``, stored as int8 or uint8."""

    scale: float
    zero_point: int
    dtype: type[np.int8] | type[np.uint8] = np.int8

    def stored(self, values: Array) -> Array:
        """The grid's numbers for real values."""
        limits = np.iinfo(self.dtype)
        steps = np.rint(values / self.scale) + self.zero_point
        stored: Array = np.clip(steps, limits.min, limits.max).astype(self.dtype)
        return stored

    @property
    def unsigned(self) -> Grid:
        """The same steps, counted from 0 instead of from -128."""
        return Grid(self.scale, self.zero_point + 128, np.uint8)


@dataclass(frozen=True)
class Form:
    """Which int8 graph.

    Attributes:
        float_boundary: float frames, states and logits, converted inside.
        symmetric: int8 with zero point 0 everywhere, weights in float with a pair of operators of their own, biases
            and the first convolution in float: what TensorRT can build. Otherwise activations are uint8 inside, which
            ONNX Runtime multiplies 13 times as fast as int8 on x86-64 with VNNI (aarch64: not measured here), on grids
            that end where a ReLU6 does, which it then drops.
    """

    float_boundary: bool = False
    symmetric: bool = False

    def grid(self, low: float, high: float) -> Grid:
        """The finest grid that holds zero and a range."""
        low, high = min(low, 0.0), max(high, 0.0)
        if self.symmetric:
            return Grid(float(np.float32(max(-low, high) / 127)) or 1.0, 0)
        scale = float(np.float32((high - low) / 255)) or 1.0
        return Grid(scale, round(-128 - low / scale))

    def inside(self, grid: Grid) -> Grid:
        """How the graph itself counts a grid's steps."""
        return grid if self.symmetric else grid.unsigned


def measure(model: onnx.ModelProto, samples: Sequence[Mapping[str, Array]]) -> dict[str, Range]:
    """Run the float model over samples and take the smallest and largest value of every tensor.

    Args:
        model: with float inputs. samples: {input: values} each.
    """
    import onnx

    from edgeshift.runtimes.onnxruntime import session_options

    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    made = [name for node in model.graph.node for name in node.output]
    del probe.graph.output[:]
    probe.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in made)
    with quiet():
        import onnxruntime

        options = session_options(threads=1)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    ranges: dict[str, Range] = {}
    for sample in samples:
        for name, values in [*zip(made, session.run(made, dict(sample)), strict=True), *sample.items()]:
            if values.dtype == np.float32:
                low, high = ranges.get(name, (np.inf, -np.inf))
                ranges[name] = min(low, float(values.min())), max(high, float(values.max()))
    return ranges


def quantize(model: onnx.ModelProto, measured: Mapping[str, Range], form: Form) -> onnx.ModelProto:
    """The int8 form of a float model, which is not changed.

    Args:
        model: as ``edgeshift.converters.onnx.target`` exports it. measured: ``measure``.
    """
    graph = read_graph(model)
    ranges = {**measured, **tied(graph, measured)}
    if form.symmetric:
        # 127 steps for 255 values would lose a bit of every pixel: the frame stays as it is.
        frame = next(group for group in groups(graph) if graph.inputs[FRAME] in group)
        ranges = {name: found for name, found in ranges.items() if name not in {graph.names[i] for i in frame}}
    return _Writer(model, {name: form.grid(*found) for name, found in ranges.items()}, form).written()


class _Writer:
    """One pass over the float graph, in order.

    A tensor x of the float graph becomes ``x/stored``, its steps, and ``x/real``, which operators read.
    """

    def __init__(self, model: onnx.ModelProto, grids: Mapping[str, Grid], form: Form) -> None:
        import onnx

        self._form, self._grids = form, grids
        self._model = onnx.ModelProto()
        self._model.CopyFrom(model)
        self._nodes: list[onnx.NodeProto] = []
        self._new: dict[str, onnx.TensorProto] = {}
        self._constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
        self._real: dict[str, str] = {}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self._outputs = {value.name for value in model.graph.output}

    def written(self) -> onnx.ModelProto:
        """The whole model."""
        import onnx

        graph = self._model.graph
        for value in graph.input:
            if value.name in self._grids:
                self._enter(value.name, self._grids[value.name])
        for node in graph.node:
            self._operator(node)
        if not self._form.float_boundary:
            for value in (*graph.input, *graph.output):
                if value.name in self._grids:
                    value.type.tensor_type.elem_type = onnx.TensorProto.INT8
        used = {name for node in self._nodes for name in node.input} | self._outputs
        kept = [tensor for tensor in graph.initializer if tensor.name in used]
        del graph.initializer[:], graph.node[:], graph.value_info[:]
        graph.initializer.extend([*kept, *self._new.values()])
        graph.node.extend(node for node in self._nodes if used.intersection(node.output))
        return self._model

    def _enter(self, name: str, grid: Grid) -> None:
        """An input."""
        given = name if self._form.float_boundary else self._dequantize(name, f"{name}/given", grid)
        self._store(name, given, grid)

    def _operator(self, node: onnx.NodeProto) -> None:
        """An operator with what it reads and what it writes replaced."""
        source = self._grids.get(node.input[0])
        names = list(node.input)
        for place, name in enumerate(names):
            if name in self._constants:
                node.input[place] = self._constant(node.op_type, names, place, source)
            else:
                node.input[place] = self._real.get(name, name)
        self._nodes.append(node)
        output, grid = node.output[0], self._grids.get(node.output[0])
        readers = self._readers.get(output, [])
        fused = len(readers) == 1 and readers[0].op_type in FUSED and output not in self._outputs
        if grid is None or fused:
            return
        if output not in self._outputs:
            self._store(output, output, grid)
            return
        node.output[0] = f"{output}/float"
        if self._form.float_boundary:
            self._store(output, node.output[0], grid, real=output)
        else:
            real = self._store(output, node.output[0], grid)
            self._quantize(real, output, grid)

    def _store(self, name: str, value: str, grid: Grid, real: str = "") -> str:
        """The pair of operators that puts a value on its grid; the name of the result."""
        inside = self._form.inside(grid)
        stored = self._quantize(value, f"{name}/stored", inside)
        self._real[name] = self._dequantize(stored, real or f"{name}/real", inside)
        return self._real[name]

    def _constant(self, kind: str, names: list[str], place: int, source: Grid | None) -> str:
        """A weight, a bias or a piece of a concatenation as int8 or int32; others as they are."""
        name = names[place]
        values = self._constants[name]
        if kind in WEIGHTED and place == 1 and source is not None:
            return self._weight(name, _over_channels(values, _weight_scales(values), np.int8), _weight_scales(values))
        if kind in WEIGHTED and place == 2 and source is not None and not self._form.symmetric:
            # A bias has the scale of what it is added to: the input's times the weight's.
            scales = (_weight_scales(self._constants[names[1]]) * np.float32(source.scale)).astype(np.float32)
            return self._weight(name, _over_channels(values, scales, np.int32), scales)
        if kind == "Concat" and name in self._grids and name not in self._real:
            grid = self._form.inside(self._grids[name])
            self._add(f"{name}/stored", grid.stored(values))
            self._real[name] = self._dequantize(f"{name}/stored", f"{name}/real", grid)
        return self._real.get(name, name)

    def _weight(self, name: str, stored: Array, scales: Array) -> str:
        """A constant with a scale for each output channel."""
        if f"{name}/real" not in self._real:
            self._real[f"{name}/real"] = f"{name}/real"
            grid = [f"{name}/scale", f"{name}/zero"]
            self._add(grid[0], scales)
            self._add(grid[1], np.zeros(scales.shape, stored.dtype))
            if self._form.symmetric:  # TensorRT 8 reads float weights with a pair behind them
                self._node("QuantizeLinear", [name, *grid], f"{name}/stored", axis=0)
            else:
                self._add(f"{name}/stored", stored)
            self._node("DequantizeLinear", [f"{name}/stored", *grid], f"{name}/real", axis=0)
        return f"{name}/real"

    def _quantize(self, name: str, to: str, grid: Grid) -> str:
        return self._node("QuantizeLinear", [name, *self._of(grid)], to)

    def _dequantize(self, name: str, to: str, grid: Grid) -> str:
        return self._node("DequantizeLinear", [name, *self._of(grid)], to)

    def _of(self, grid: Grid) -> list[str]:
        """Names of a grid's two constants, which all tensors with it share."""
        scale, zero = f"scale_{grid.scale!r}", f"zero_{np.dtype(grid.dtype).name}_{grid.zero_point}"
        self._add(scale, np.float32(grid.scale))
        self._add(zero, grid.dtype(grid.zero_point))
        return [scale, zero]

    def _add(self, name: str, values: Array | np.generic) -> None:
        from onnx import numpy_helper

        if name not in self._new:
            self._new[name] = numpy_helper.from_array(np.asarray(values), name)

    def _node(self, kind: str, inputs: list[str], to: str, **attributes: int) -> str:
        from onnx import helper

        self._nodes.append(helper.make_node(kind, inputs, [to], name=f"{kind}/{to}", **attributes))
        return to


def _weight_scales(values: Array) -> Array:
    """One scale per output channel; 1 where a channel is all zeros."""
    largest = np.abs(values.reshape(len(values), -1)).max(1)
    return np.where(largest > 0, largest / 127, 1.0).astype(np.float32)


def _over_channels(values: Array, scales: Array, dtype: type[np.int8] | type[np.int32]) -> Array:
    limit = np.iinfo(dtype).max
    steps = np.rint(values.astype(np.float64) / scales.reshape(-1, *[1] * (values.ndim - 1)))
    return np.clip(steps, -limit, limit).astype(dtype)
