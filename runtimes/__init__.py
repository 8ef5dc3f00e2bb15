"""Runtimes: one file each, all with the same face (``edgeshift.stream``). None needs torch to import.

A new runtime is a file with a ``load`` function and a line in ``RUNTIMES``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

from edgeshift.errors import ArtifactError, EdgeshiftError, unknown
from edgeshift.stream import Model

__all__ = ["BY_NAME", "PACKAGES", "RUNTIMES", "load"]

#: {suffix of the file: module}. Imported when a file with that suffix is loaded.
RUNTIMES = {
    ".tflite": "edgeshift.runtimes.tflite",
    ".onnx": "edgeshift.runtimes.onnxruntime",
    ".mlpackage": "edgeshift.runtimes.coreml",
    ".pte": "edgeshift.runtimes.executorch",
    ".safetensors": "edgeshift.runtimes.pytorch",
}
#: {name: (suffix, module)} of those that must be asked for: another one runs such files anywhere.
BY_NAME = {
    "tensorrt": (".onnx", "edgeshift.runtimes.tensorrt"),
    "mil": (".mlpackage", "edgeshift.runtimes.mil.executor"),
}

#: {target: {module: its package}}: what runs its artifacts; any of them does.
PACKAGES = {
    "tflite": {"ai_edge_litert": "ai-edge-litert", "tflite_runtime": "tflite-runtime"},
    "onnx": {"onnxruntime": "onnxruntime"},
    "tensorrt": {"tensorrt": "tensorrt"},
    "coreml": {"coremltools": "coremltools"},
    "executorch": {"executorch.runtime": "executorch"},
}


def load(path: str | Path, *, runtime: str | None = None, **options: Any) -> Model:
    """Load an artifact with the runtime its file name asks for, or with another one.

    Args:
        path: a file made by ``edgeshift convert``, or an edgeshift checkpoint (.safetensors, run by PyTorch).
        runtime: a name in ``BY_NAME``; None: the file name says.
        options: of the runtime, such as ``threads``.

    Raises:
        ArtifactError: damaged, cut short, or of a kind that nothing here runs.
        RuntimeMissingError: the runtime is not installed; the message has the command.
        EdgeshiftError: an option that the runtime does not have.
    """
    path = Path(path)
    if runtime is not None and runtime not in BY_NAME:
        raise EdgeshiftError(unknown("runtime", runtime, BY_NAME))
    module = RUNTIMES.get(path.suffix.lower())
    if runtime is not None:
        suffix, module = BY_NAME[runtime]
        if path.suffix.lower() != suffix:
            raise ArtifactError(f"{path}: {runtime} runs *{suffix} files")
    if module is None:
        raise ArtifactError(
            f"{path}: nothing here runs {path.suffix or 'a file without a suffix'}; known: {', '.join(RUNTIMES)}"
        )
    loader: Callable[..., Model] = importlib.import_module(module).load
    known = [name for name, one in signature(loader).parameters.items() if one.kind is one.KEYWORD_ONLY]
    for name in options:
        if name not in known:
            raise EdgeshiftError(unknown(f"option of {module.rpartition('.')[2]}", name, known))
    return loader(path, **options)
