"""Runtimes: one file each, all with the same face (``edgeshift.stream``). None needs torch to import.

A new runtime is a file with a ``load`` function and a line in ``RUNTIMES``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgeshift.errors import ArtifactError
from edgeshift.stream import Model

__all__ = ["RUNTIMES", "load"]

#: {suffix of the file: module}. Imported when a file with that suffix is loaded.
RUNTIMES = {".tflite": "edgeshift.runtimes.tflite", ".safetensors": "edgeshift.runtimes.pytorch"}


def load(path: str | Path, **options: Any) -> Model:
    """Load an artifact with the runtime its file name asks for.

    Args:
        path: a file made by ``edgeshift convert``, or an edgeshift checkpoint (.safetensors, run by PyTorch).
        options: of the runtime, such as ``threads``.

    Raises:
        ArtifactError: damaged, cut short, or of a kind that nothing here runs.
        RuntimeMissingError: the runtime is not installed; the message has the command.
    """
    path = Path(path)
    module = RUNTIMES.get(path.suffix.lower())
    if module is None:
        raise ArtifactError(
            f"{path}: nothing here runs {path.suffix or 'a file without a suffix'}; known: {', '.join(RUNTIMES)}"
        )
    loader: Callable[..., Model] = importlib.import_module(module).load
    return loader(path, **options)
