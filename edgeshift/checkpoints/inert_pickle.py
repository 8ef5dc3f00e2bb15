"""Unpickle a ``torch.save`` file (zip format) of a training script without executing anything in it.

Only tensors, numbers, text and plain containers are restored. Every other class or function that the file names is
replaced by ``Placeholder``, which ignores all arguments and contents.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import _utils

#: {(module, name): the object that a file may use}. They build tensors from the data in the file, and nothing else.
ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "Size"): torch.Size,
    ("torch._utils", "_rebuild_parameter"): _utils._rebuild_parameter,
    ("torch._utils", "_rebuild_tensor"): _utils._rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _utils._rebuild_tensor_v2,
    ("torch.nn.parameter", "Parameter"): torch.nn.Parameter,
    **{("torch", str(kind).removeprefix("torch.")): kind for kind in vars(torch).values() if type(kind) is torch.dtype},
}


class Placeholder:
    """Takes the place of an object that is not restored."""

    def __new__(cls, *_arguments: object, **_options: object) -> Placeholder:  # noqa: D102
        return object.__new__(cls)

    def __init__(self, *_arguments: object, **_options: object) -> None: ...

    def __call__(self, *_arguments: object, **_options: object) -> Placeholder:  # noqa: D102
        return self

    def __setitem__(self, _key: object, _value: object) -> None: ...

    def append(self, _item: object) -> None:
        """Ignore an item of a list, as ``extend`` and ``add`` do."""

    extend = add = append


def _skip_state(unpickler: Any) -> None:
    """Ignore the attributes of an object. The object may be a function or class of torch, which must not be changed."""
    unpickler.stack.pop()


#: {instruction of a pickle: the function that carries it out}.
INSTRUCTIONS: dict[int, Callable[[Any], None]] = {**pickle._Unpickler.dispatch, pickle.BUILD[0]: _skip_state}


def load(data: bytes) -> tuple[object, tuple[str, ...]]:
    """Return the content of a zip file, and the names of the replaced objects, such as ``argparse.Namespace``.

    Raises:
        Exception: the file is damaged. Damaged pickles raise errors of any type.
    """
    replaced: dict[str, None] = {}

    class Unpickler(pickle._Unpickler):
        """The unpickler written in Python. A file can make the one in C allocate any amount of memory for its memo."""

        dispatch = INSTRUCTIONS

        def find_class(self, module: str, name: str) -> Any:
            if (module, name) in ALLOWED:
                return ALLOWED[module, name]
            replaced.setdefault(f"{module}.{name}")
            return Placeholder

    module = SimpleNamespace(Unpickler=Unpickler, __name__="inert_pickle")
    # Not "weights only", because this unpickler decides what is restored.
    value = torch.load(io.BytesIO(data), map_location="cpu", pickle_module=module, weights_only=False)
    return value, tuple(replaced)
