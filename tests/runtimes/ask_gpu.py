"""Ask LiteRT's GPU accelerator which operators of small graphs it refuses, in a process of its own.

    python tests/runtimes/ask_gpu.py

prints {"adapter": ..., "refused": {name of a graph: {operator: reason}}} as JSON, or exits with 3 if there is no GPU.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import Any

from ai_edge_litert import compiled_model as litert
from lint_graphs import T, tflite

from edgeshift._system.quiet import quiet
from edgeshift.runtimes.gpu_log import find_adapter, find_refused
from edgeshift.runtimes.lint.operator_rules import GPU_PAIRS

MAP = (1, 4, 4, 8)
AXES = T((2,), "int32", stored=True, values=(1, 1))
EDGES = T((2, 2), "int32", stored=True, values=((0, 0), (0, 0)))  # type: ignore[arg-type]
#: {name: (tensors besides f, d and state, operators from f to d)}.
GRAPHS: dict[str, tuple[dict[str, T], list[Any]]] = {
    **{kind: ({}, [(kind, ("f", "f"), ("d",))]) for kind in (*GPU_PAIRS, "ADD", "MUL")},
    **{
        kind: ({}, [(kind, ("f",), ("d",))])
        for kind in ("L2_NORMALIZATION", "LOCAL_RESPONSE_NORMALIZATION", "LOG_SOFTMAX", "ZEROS_LIKE", "LOGISTIC")
    },
    "SPACE_TO_BATCH_ND": ({"b": AXES, "p": EDGES}, [("SPACE_TO_BATCH_ND", ("f", "b", "p"), ("d",))]),
    "BATCH_TO_SPACE_ND": ({"b": AXES, "p": EDGES}, [("BATCH_TO_SPACE_ND", ("f", "b", "p"), ("d",))]),
    "GATHER_ND": ({"i": T((*MAP, 4), "int32", stored=True)}, [("GATHER_ND", ("f", "i"), ("d",))]),
    "SCATTER_ND": (
        {
            "i": T((1, 4), "int32", stored=True),
            "v": T((1,), stored=True),
            "s": T((4,), "int32", stored=True, values=MAP),
        },
        [("SCATTER_ND", ("i", "v", "s"), ("d",))],
    ),
    "five dimensions": (
        {
            "five": T((5,), "int32", stored=True, values=(1, 2, 2, 4, 8)),
            "four": T((4,), "int32", stored=True, values=MAP),
            "a": T((1, 2, 2, 4, 8)),
            "b": T((1, 2, 2, 4, 8)),
        },
        [("RESHAPE", ("f", "five"), ("a",)), ("LOGISTIC", ("a",), ("b",)), ("RESHAPE", ("b", "four"), ("d",))],
    ),
}


def main() -> int:
    """Ask about every graph."""
    accelerator = litert.HardwareAccelerator.GPU
    environment = litert._create_default_environment()
    options = litert.Options(hardware_accelerators=accelerator, gpu_options=litert.GpuOptions(enforce_f32=True))
    refused, adapter = {}, None
    for name, (tensors, ops) in GRAPHS.items():
        base = {"frame": T(MAP), "state": T(MAP), "f": T(MAP), "d": T(MAP), "next": T(MAP)}
        all_ops = [("RELU", ("frame",), ("f",)), *ops, ("MUL", ("d", "state"), ("next",))]
        body = tflite({**base, **tensors}, all_ops, ("frame", "state"), ("next",))
        with quiet(stdout=True) as log:
            with suppress(RuntimeError):
                litert.CompiledModel.from_buffer(body, environment=environment, options=options)
            text = log()
        adapter = adapter or find_adapter(text)
        refused[name] = find_refused(text)
    if adapter is None:
        return 3
    print(json.dumps({"adapter": adapter, "refused": refused}))
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
