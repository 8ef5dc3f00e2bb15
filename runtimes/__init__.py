"""Runtimes: one module each, all with the interface of ``edgeshift.stream``. They can be imported without torch.

To add a runtime, write a module with a function ``open_artifact`` and a class that implements
``edgeshift.stream.Executor``, and add a record to ``edgeshift.targets``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

from edgeshift.artifact.file import read_artifact
from edgeshift.errors import EdgeshiftError, unknown
from edgeshift.stream import Model
from edgeshift.targets import find_runtime

__all__ = ["load"]


def load(path: str | Path, *, runtime: str | None = None, isolate: bool = False, **options: Any) -> Model:
    """Load an artifact with the runtime that belongs to its file name, or with a named runtime.

    Args:
        path: a file made by ``edgeshift convert``, or an edgeshift checkpoint (.safetensors, run by PyTorch).
        runtime: a name in ``edgeshift.targets.RUNTIMES``; None: the suffix of the file name decides.
        isolate: for a file from elsewhere: first load it and run one step in a child process with limits, unless it
            has run on this machine before. A hostile graph can otherwise crash this process. The commands do this.
        options: options of the runtime, such as ``threads``.

    Raises:
        ArtifactError: the file is damaged or cut short, or no runtime runs files of this kind.
        RuntimeMissingError: the runtime is not installed. The message has the command that installs it.
        EdgeshiftError: the runtime has no such option.
    """
    path = Path(path)
    record = find_runtime(path, runtime)
    module = importlib.import_module(record.module)
    # PyTorch runs checkpoints. All other runtimes run artifacts.
    is_checkpoint = record.name == "pytorch"
    opener: Callable[..., Model] = module.open_checkpoint if is_checkpoint else module.open_artifact
    known = [name for name, argument in signature(opener).parameters.items() if argument.kind is argument.KEYWORD_ONLY]
    for name in options:
        if name not in known:
            raise EdgeshiftError(unknown(f"option of {record.title}", name, known))
    if is_checkpoint:
        return opener(path, **options)
    artifact = read_artifact(path)
    if isolate:
        from edgeshift.runtimes.trial import require_tried  # not at import: most programs need no child process

        require_tried(artifact, record, options.get("accelerator"))
    return opener(artifact, **options)
