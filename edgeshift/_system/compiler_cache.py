"""The folder in which PyTorch's compiler keeps its results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from edgeshift._system.files import cache_folder

#: The environment variable that names the folder.
VARIABLE = "TORCHINDUCTOR_CACHE_DIR"


@contextmanager
def own_compiler_cache() -> Iterator[None]:
    """Let PyTorch's compiler use a folder in edgeshift's cache while the block runs, unless the user has chosen one.

    PyTorch creates the folder when it imports its compiler, which it does for every checkpoint, although edgeshift
    compiles nothing. By default it is a folder beside the temporary files, which nobody removes.
    """
    try:
        folder = cache_folder() / "torch"
    except RuntimeError:  # the user has no home folder
        yield
        return
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if VARIABLE in os.environ or not os.access(existing, os.W_OK | os.X_OK):
        yield
        return
    os.environ[VARIABLE] = str(folder)
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)
