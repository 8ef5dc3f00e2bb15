"""Measure how much each layer of an int8 graph differs from the float graph, to find where int8 loses accuracy.

Both graphs run over the same frames, each with its own states, or over the same windows of a clip's frames. Tensors are
compared if they have the same name in both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgeshift._system.quiet import quiet
from edgeshift.converters.quantization.ranges import Graph, picture
from edgeshift.converters.tflite.graph import read_graph
from edgeshift.converters.tflite.layer_names import layers_of
from edgeshift.models.network import Exportable
from edgeshift.stream.sound_parity import SEED, drawn_picture

Values = npt.NDArray[np.float64]


class LayerError(msgspec.Struct, frozen=True):
    """The error of one tensor.

    Attributes:
        layer: path of the layer in the network.
        operator: the operator that writes the tensor.
        error: root mean square error over all frames, or windows, in standard deviations of each channel of the float
            tensor.
        added: ``error`` minus the largest error of the operator's inputs, at least 0.
        frames: the same error for each frame, or window.
        low: smallest value of the float tensor.
        high: largest value of the float tensor.
        step: difference between two neighbouring values of the int8 tensor; None: the tensor is float.
        clipped: share of the float tensor's values that are outside of the int8 range, from 0 to 1.
    """

    layer: str
    operator: str
    error: float
    added: float
    frames: tuple[float, ...]
    low: float
    high: float
    step: float | None
    clipped: float

    @property
    def worst_frame(self) -> int:
        """Number of the frame, or window, with the largest error, from 1."""
        return int(np.argmax(self.frames)) + 1

    def __str__(self) -> str:
        grid = "float" if self.step is None else f"int8 steps of {self.step:.3g}"
        outside = f", {self.clipped:.2%} of the values outside" if self.clipped > 0 else ""
        return (
            f"{self.layer or 'no layer'} ({self.operator}) adds {self.added:.2g} standard deviations; its range is "
            f"{self.low:.3g} to {self.high:.3g} in {grid}{outside}"
        )


def compare_layers(
    original: bytes,
    body: bytes,
    step: Exportable,
    frames: Sequence[npt.NDArray[np.uint8]],
    advance: Callable[[], None] = lambda: None,
) -> list[LayerError]:
    """Return the error of each tensor that both graphs have, in the order of the operators of the float graph.

    Args:
        original: the float graph.
        body: the graph to examine, made from the float graph.
        step: the step or clip function that was exported as the float graph.
        frames: uint8 [H, W, 3] RGB each. A clip function runs over windows of T frames, which begin one frame after
            another, each with another drawn sound if the network has a sound segment.
        advance: called after every frame, or window.
    """
    sides = _Side(original), _Side(body)
    graph = read_graph(original)
    layers = layers_of(graph, step)
    written = [*graph.inputs.values(), *(operator.outputs[0] for operator in graph.operators)]
    names = [name for index in written if (name := graph.names[index]) in sides[1].index]
    meters = {name: _Meter() for name in names}
    config = step.network.config
    for start in range(len(frames) - step.frames + 1):
        given: list[npt.NDArray[Any]] = [*frames[start : start + step.frames]]
        if step.sounds and config.sound is not None:
            # Always another one: the layers of the sound alone would otherwise be constant, and errors are relative to
            # the standard deviation.
            given.append(drawn_picture(SEED + start, config.sound, config.size))
        window: npt.NDArray[Any] = np.stack(given)
        for side in sides:
            side.run(window)
        for name, meter in meters.items():
            meter.add(sides[0].value(name), sides[1].value(name), sides[1].grid(name))
        advance()
    errors = {name: meter.relative for name, meter in meters.items()}
    result = []
    for operator, layer in zip(graph.operators, layers, strict=True):
        name = graph.names[operator.outputs[0]]
        if name not in meters:
            continue
        inherited = max((errors.get(graph.names[i], 0.0) for i in operator.inputs if i >= 0), default=0.0)
        meter, grid = meters[name], sides[1].grid(name)
        result.append(
            LayerError(
                layer=layer or _boundary(graph, operator.outputs[0]),
                operator=operator.kind,
                error=errors[name],
                added=max(0.0, errors[name] - inherited),
                frames=tuple(meter.each()),
                low=meter.low,
                high=meter.high,
                step=None if grid is None else grid[0],
                clipped=meter.clipped,
            )
        )
    return result


def worst_layers(errors: Sequence[LayerError], count: int = 10) -> list[LayerError]:
    """Return the layers that add most error, the worst first."""
    return sorted(errors, key=lambda error: -error.added)[:count]


def _boundary(graph: Graph, index: int) -> str:
    return next((name for name, tensor in graph.outputs.items() if tensor == index), "")


class _Side:
    """A graph that runs frame by frame, or window by window, and keeps all its tensors."""

    def __init__(self, body: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        with quiet():
            self._interpreter = Interpreter(
                model_content=body,
                num_threads=1,
                experimental_preserve_all_tensors=True,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
            self._interpreter.allocate_tensors()
        self._details = {detail["name"]: detail for detail in self._interpreter.get_tensor_details() if detail["name"]}
        self.index = {name: detail["index"] for name, detail in self._details.items()}
        graph = read_graph(body)
        self._inputs, self._outputs = graph.inputs, graph.outputs
        self._states = {
            name: self._quantized(index, np.zeros(self._by_index(index)["shape"], np.float64))
            for name, index in self._inputs.items()
            if name in self._outputs
        }

    def run(self, frames: npt.NDArray[Any]) -> None:
        """Run one frame [1, H, W, 3] or a window [T, H, W, 3], and keep the states for the next frame."""
        index = picture(self._inputs)
        self._interpreter.set_tensor(index, self._quantized(index, frames.astype(np.float64)))
        for name, state in self._states.items():
            self._interpreter.set_tensor(self._inputs[name], state)
        with quiet():
            self._interpreter.invoke()
        self._states = {name: self._interpreter.get_tensor(self._outputs[name]).copy() for name in self._states}

    def value(self, name: str) -> Values:
        """Return the real values of a tensor after the last frame."""
        stored: Values = self._interpreter.get_tensor(self.index[name]).astype(np.float64)
        grid = self.grid(name)
        return stored if grid is None else (stored - grid[1]) * grid[0]

    def grid(self, name: str) -> tuple[float, int] | None:
        """Return scale and zero point of an int8 tensor; None: the tensor is float."""
        detail = self._details[name]
        scale, zero_point = detail["quantization"]
        return (float(scale), int(zero_point)) if detail["dtype"] == np.int8 else None

    def _by_index(self, index: int) -> Mapping[str, Any]:
        return next(detail for detail in self._details.values() if detail["index"] == index)

    def _quantized(self, index: int, real: Values) -> Any:
        detail = self._by_index(index)
        if detail["dtype"] != np.int8:
            return real.astype(detail["dtype"])
        scale, zero_point = detail["quantization"]
        return np.clip(np.round(real / scale) + zero_point, -128, 127).astype(np.int8)


class _Meter:
    """Adds up the error of one tensor over frames, channel by channel.

    The error of a channel is divided by the channel's standard deviation. Otherwise a channel with large values would
    hide the errors of the others.
    """

    def __init__(self) -> None:
        self._count, self._outside, self._values = 0, 0, 0
        self._sum: Values = np.zeros(1)
        self._squares: Values = np.zeros(1)
        self._errors: list[Values] = []
        self.low, self.high = float("inf"), float("-inf")

    def add(self, original: Values, value: Values, grid: tuple[float, int] | None) -> None:
        rows = original.reshape(-1, original.shape[-1] if original.ndim else 1)
        self._count += len(rows)
        self._values += original.size
        self._sum = self._sum + rows.sum(0)
        self._squares = self._squares + (rows**2).sum(0)
        self._errors.append(((rows - value.reshape(rows.shape)) ** 2).mean(0))
        self.low, self.high = min(self.low, float(original.min())), max(self.high, float(original.max()))
        if grid is not None:
            ends = [(end - grid[1]) * grid[0] for end in (-128.5, 127.5)]
            self._outside += int(((original < ends[0]) | (original > ends[1])).sum())

    @property
    def _variances(self) -> Values:
        """The variance of each channel, at least a hundredth of the median one, because some channels are constant."""
        variances: Values = self._squares / self._count - (self._sum / self._count) ** 2
        result: Values = np.maximum(variances, max(float(np.median(variances)) / 100, 1e-12))
        return result

    @property
    def relative(self) -> float:
        return float(np.sqrt(np.mean([error / self._variances for error in self._errors])))

    def each(self) -> list[float]:
        variances = self._variances
        return [float(np.sqrt(np.mean(error / variances))) for error in self._errors]

    @property
    def clipped(self) -> float:
        return self._outside / self._values
