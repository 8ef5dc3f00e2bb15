"""Run graphs with LiteRT alone, on one thread: inputs are written once, and outputs are not read.

This is the smallest time that a graph takes in LiteRT's Python API. ``Stream.step`` is compared with it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshift._system.quiet import quiet
from edgeshift.errors import missing

#: {name of an input: array of its shape and dtype}. Other inputs hold zeros.
Inputs = dict[str, npt.NDArray[Any]]


def interpreted(body: bytes, inputs: Inputs | None = None) -> Callable[[], object]:
    """Return ``Interpreter.invoke`` of a graph, which does little more than run its operators.

    Raises:
        RuntimeMissingError: LiteRT is not installed.
    """
    module = _import("ai_edge_litert.interpreter", "ai-edge-litert")
    with quiet():
        interpreter = module.Interpreter(model_content=body, num_threads=1)
        interpreter.allocate_tensors()
    for name, detail in interpreter.get_signature_runner().get_input_details().items():
        interpreter.set_tensor(detail["index"], _content(inputs, name, detail))
    invoke: Callable[[], object] = interpreter.invoke
    return invoke


class Compiled:
    """``CompiledModel.run_by_index`` of a graph with the same buffers every time. It must be closed after use.

    Args:
        body: the graph. LiteRT reads these bytes in place, so the object keeps them.
        inputs: the contents of its inputs.

    Raises:
        RuntimeMissingError: LiteRT 2 is not installed.
    """

    def __init__(self, body: bytes, inputs: Inputs | None = None) -> None:
        self._body = body
        litert = _import("ai_edge_litert.compiled_model", "ai-edge-litert 2 or later")
        options = litert.Options(
            hardware_accelerators=litert.HardwareAccelerator.CPU, cpu_options=litert.CpuOptions(num_threads=1)
        )
        with quiet():
            self._model: Any = litert.CompiledModel.from_buffer(body, options=options)
            (key, signature), *_ = self._model.get_signature_list().items()
            details = self._model.get_input_tensor_details(key)
            self._inputs: Any = [self._model.create_input_buffer_by_name(key, name) for name in signature["inputs"]]
            self._outputs: Any = [self._model.create_output_buffer_by_name(key, name) for name in signature["outputs"]]
        for name, buffer in zip(signature["inputs"], self._inputs, strict=True):
            buffer.write(_content(inputs, name, details[name]))

    def __call__(self) -> None:
        """Run the graph once."""
        self._model.run_by_index(0, self._inputs, self._outputs)

    def close(self) -> None:
        """Free the model, and discard the messages that LiteRT logs when its environment ends."""
        with quiet():
            self._inputs = self._outputs = self._model = None


def _import(name: str, package: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise missing(package, "tflite", "timing a graph") from error


def _content(inputs: Inputs | None, name: str, detail: dict[str, Any]) -> npt.NDArray[Any]:
    if inputs and name in inputs:
        return np.ascontiguousarray(inputs[name])
    return np.zeros([int(n) for n in detail["shape"]], np.dtype(detail["dtype"]))
