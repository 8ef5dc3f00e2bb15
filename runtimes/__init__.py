"""Runtimes: one file each, all with the same face (``edgeshift.stream``). None needs torch to import.

A new runtime is a module with a ``load`` function and a record in ``edgeshift.targets``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

from edgeshift.errors import EdgeshiftError, unknown
from edgeshift.stream import Model
from edgeshift.targets import find_runtime

__all__ = ["load"]


def load(path: str | Path, *, runtime: str | None = None, **options: Any) -> Model:
    """Load an artifact with the runtime its file name asks for, or with another one.

    Args:
        path: a file made by ``edgeshift convert``, or an edgeshift checkpoint (.safetensors, run by PyTorch).
        runtime: a name in ``edgeshift.targets.RUNTIMES``; None: the file name says.
        options: of the runtime, such as ``threads``.

    Raises:
        ArtifactError: damaged, cut short, or of a kind that no runtime here runs.
        RuntimeMissingError: the runtime is not installed; the message has the command.
        EdgeshiftError: an option that the runtime does not have.
    """
    path = Path(path)
    module = find_runtime(path, runtime).module
    loader: Callable[..., Model] = importlib.import_module(module).load
    known = [name for name, one in signature(loader).parameters.items() if one.kind is one.KEYWORD_ONLY]
    for name in options:
        if name not in known:
            raise EdgeshiftError(unknown(f"option of {module.rpartition('.')[2]}", name, known))
    return loader(path, **options)
