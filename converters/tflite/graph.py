"""Reading a TFLite graph: tensors and operators, inputs and outputs, and the operators that the CPU delegate runs."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from edgeshift._system.quiet import quiet
from edgeshift.artifact.spec import GraphSpec, GridSpec, TensorSpec
from edgeshift.converters.quantization.finished import End, describe_boundary
from edgeshift.converters.quantization.ranges import Graph, Operator

#: Name of the graph's only signature, which names its inputs and outputs.
SIGNATURE = "serving_default"


def read_graph(body: bytes) -> Graph:
    """Return the first subgraph in the form that ``edgeshift.converters.quantization.ranges`` reads.

    Args:
        body: a FlatBuffer that this converter has just written (not an untrusted file).
    """
    from ai_edge_litert import schema_py_generated as schema

    kinds = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    model = schema.Model.GetRootAs(body)
    subgraph, signature = model.Subgraphs(0), model.SignatureDefs(0)
    codes = []
    for code in map(model.OperatorCodes, range(model.OperatorCodesLength())):
        kind = kinds[code.BuiltinCode()]
        codes.append(code.CustomCode().decode() if kind == "CUSTOM" else kind)
    graph = Graph(
        inputs={s.Name().decode(): s.TensorIndex() for s in map(signature.Inputs, range(signature.InputsLength()))},
        outputs={s.Name().decode(): s.TensorIndex() for s in map(signature.Outputs, range(signature.OutputsLength()))},
    )
    for index in range(subgraph.TensorsLength()):
        tensor = subgraph.Tensors(index)
        graph.names.append(tensor.Name().decode())
        buffer = model.Buffers(tensor.Buffer())
        if buffer.DataLength() and tensor.Type() == schema.TensorType.FLOAT32:
            graph.constants[index] = np.frombuffer(buffer.DataAsNumpy().tobytes(), np.float32)
    for index in range(subgraph.OperatorsLength()):
        operator = subgraph.Operators(index)
        graph.operators.append(
            Operator(
                codes[operator.OpcodeIndex()],
                tuple(operator.Inputs(i) for i in range(operator.InputsLength())),
                tuple(operator.Outputs(i) for i in range(operator.OutputsLength())),
            )
        )
    return graph


def boundary(body: bytes, expected: dict[str, TensorSpec]) -> dict[str, TensorSpec]:
    """Return the description of inputs and outputs, with shapes, types and grids read back from the graph.

    Args:
        body: the graph.
        expected: {name: description of the float step's frame, logits or state}.

    Raises:
        ConversionError: a state's input and output differ, or a tensor has another shape than expected.
    """
    from ai_edge_litert.interpreter import Interpreter

    with quiet():
        runner = Interpreter(model_content=body).get_signature_runner()
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
    return describe_boundary(expected, _ends(inputs), _ends(outputs))


def graph_spec(body: bytes) -> GraphSpec:
    """Return the number of operators of each kind, of XNNPACK partitions, and the share of delegated operators."""
    from ai_edge_litert.interpreter import Interpreter

    operators = read_graph(body).operators
    with quiet():
        interpreter = Interpreter(model_content=body, num_threads=1)
        interpreter.allocate_tensors()
        details = interpreter._get_ops_details()
    delegates = [operator for operator in details if operator["op_name"] == "DELEGATE"]
    producer = {tensor: i for i, operator in enumerate(operators) for tensor in operator.outputs}
    delegated: set[int] = set()
    for delegate in delegates:
        # The node of a delegate replaces the operators between its inputs and its outputs.
        inputs, pending = set(delegate["inputs"]), list(delegate["outputs"])
        while pending:
            tensor = pending.pop()
            if tensor in inputs or tensor not in producer or producer[tensor] in delegated:
                continue
            delegated.add(producer[tensor])
            pending.extend(operators[producer[tensor]].inputs)
    counts = Counter(operator.kind for operator in operators)
    share = len(delegated) / len(operators)
    operators_by_kind = dict(counts.most_common())
    return GraphSpec(operators=operators_by_kind, partitions=len(delegates), delegated=share, backend="xnnpack")


def _ends(details: dict[str, Any]) -> dict[str, End]:
    """Return {name: input or output}, from LiteRT's details."""
    ends = {}
    for name, detail in details.items():
        shape = tuple(int(size) for size in detail["shape"])
        scale, zero_point = detail["quantization"]
        is_int8 = np.dtype(detail["dtype"]) == np.int8
        grid = GridSpec(scale=float(scale), zero_point=int(zero_point)) if is_int8 else None
        ends[name] = End(shape, "int8" if is_int8 else "float32", grid)
    return ends
