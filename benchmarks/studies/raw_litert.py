"""The smallest cost of a graph in LiteRT's Python API: inputs are written once, outputs are not read. One thread.

The cost of ``Stream.step`` and of a shift is measured against this.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeshift._system.quiet import quiet
from edgeshift.errors import missing

#: {input name: array of its shape and dtype}. Inputs without an entry hold zeros.
Fill = dict[str, npt.NDArray[Any]]


def interpreted(body: bytes, fill: Fill | None = None) -> Callable[[], object]:
    """``Interpreter.invoke`` of a graph, which is hardly more than its operators.

    Raises:
        RuntimeMissingError: LiteRT is not installed.
    """
    module = _import("ai_edge_litert.interpreter", "ai-edge-litert")
    with quiet():
        interpreter = module.Interpreter(model_content=body, num_threads=1)
        interpreter.allocate_tensors()
    for name, detail in interpreter.get_signature_runner().get_input_details().items():
        interpreter.set_tensor(detail["index"], _content(fill, name, detail))
    invoke: Callable[[], object] = interpreter.invoke
    return invoke


class Compiled:
    """``CompiledModel.run_by_index`` of a graph with the same buffers every time. Close it when done.

    Args:
        body: the graph. LiteRT uses the bytes in place, so they are kept.
        fill: the content of its inputs.

    Raises:
        RuntimeMissingError: LiteRT 2 is not installed.
    """

    def __init__(self, body: bytes, fill: Fill | None = None) -> None:
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
            buffer.write(_content(fill, name, details[name]))

    def __call__(self) -> None:
        """Run the graph once."""
        self._model.run_by_index(0, self._inputs, self._outputs)

    def close(self) -> None:
        """Free the model. LiteRT logs when its environment ends; this keeps the log out of the end of the process."""
        with quiet():
            self._inputs = self._outputs = self._model = None


def _import(name: str, package: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise missing(package, "tflite", "timing a graph") from error


def _content(fill: Fill | None, name: str, detail: dict[str, Any]) -> npt.NDArray[Any]:
    if fill and name in fill:
        return np.ascontiguousarray(fill[name])
    return np.zeros([int(n) for n in detail["shape"]], np.dtype(detail["dtype"]))
