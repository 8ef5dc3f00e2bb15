"""Graphs such as LiteRT's compiler returns them for an NPU, without a vendor's SDK."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

#: A function that changes a graph in place.
Change = Callable[[Any], None]


def dispatched(body: bytes, outside: int = 0, change: Change = lambda model: None) -> bytes:
    """Return a graph as LiteRT's compiler returns it: one DISPATCH_OP, and after it the last operators as they were."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(body, 0)
    for buffer in model.buffers:
        if buffer.offset > 1:  # its values are after the tables, which will change their size
            buffer.data = np.frombuffer(body, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    graph = model.subgraphs[0]
    cut = len(graph.operators) - outside
    replaced, kept = graph.operators[:cut], graph.operators[cut:]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode, code.version = b"DISPATCH_OP", 1
    model.operatorCodes.append(code)
    written = {int(tensor) for operator in replaced for tensor in operator.outputs}
    needed = [*graph.outputs, *(tensor for operator in kept for tensor in operator.inputs)]
    binary = schema.OperatorT()
    binary.opcodeIndex = len(model.operatorCodes) - 1
    binary.inputs, binary.outputs = list(graph.inputs), sorted({int(t) for t in needed if int(t) in written})
    graph.operators = [binary, *kept]
    change(model)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
