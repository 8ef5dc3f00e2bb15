"""Check a .tflite graph before LiteRT reads it, because LiteRT trusts the numbers in it and crashes on wrong ones.

LiteRT's own verifier checks that all tables lie inside the file. It does not check that a tensor which an operator
names exists, or that a quantized tensor has the numbers that belong to it. The schema comes with ai-edge-litert.
"""

from __future__ import annotations

import math
import struct
from typing import Any

from edgeshift.artifact.file import Artifact
from edgeshift.artifact.soundness import GraphFacts
from edgeshift.targets import Precision

#: Identifier of the format, at byte 4 of the file.
IDENTIFIER = b"TFL3"
#: Numbers of tensor types in the schema, and the bytes of one value.
FLOAT32, FLOAT16, INT32, UINT8, INT64, BOOL, INT16, INT8 = 0, 1, 2, 3, 4, 6, 7, 9
BYTES = {FLOAT32: 4, FLOAT16: 2, INT32: 4, UINT8: 1, INT64: 8, BOOL: 1, INT16: 2, INT8: 1}
#: Operators whose second input holds weights: convolution, depthwise convolution, matrix.
WEIGHTED = (3, 4, 9)
#: Operators that run other graphs or code from elsewhere. edgeshift's graphs have none of them.
FORBIDDEN = {31: "CALL", 32: "CUSTOM", 118: "IF", 119: "WHILE", 129: "CALL_ONCE", 181: "STABLEHLO_WHILE"}
#: Largest number of tensors and of operators. Real graphs have a few hundred.
MAX_ITEMS = 20_000
#: Largest number of values in one tensor.
MAX_VALUES = 1 << 28


def examine(artifact: Artifact) -> GraphFacts:
    """Check the indices, sizes and quantization of a graph.

    Returns:
        The precision of its weights, and the grids of its int8 inputs and outputs.

    Raises:
        ValueError: the graph is not one that a converter writes. The message says why.
        ImportError: the schema is not installed, as with tflite-runtime.
    """
    body = artifact.body
    if body[4:8] != IDENTIFIER:
        raise ValueError("it is not a TFLite graph")
    from ai_edge_litert import schema_py_generated as schema

    try:
        return _Checker(schema.Model.GetRootAs(body, 0), len(body)).check()
    except (
        struct.error,
        IndexError,
        OverflowError,
        TypeError,
        AttributeError,
        MemoryError,
        UnicodeDecodeError,
    ) as error:
        raise ValueError("its tables point outside of the file") from error


class _Checker:
    """Walks a graph once."""

    def __init__(self, model: Any, size: int) -> None:
        self._model, self._size = model, size

    def check(self) -> GraphFacts:
        model = self._model
        if model.SubgraphsLength() != 1:
            raise ValueError(f"it has {model.SubgraphsLength()} graphs, and not one")
        graph = model.Subgraphs(0)
        counts = (graph.TensorsLength(), graph.OperatorsLength(), model.BuffersLength(), model.OperatorCodesLength())
        if max(counts) > MAX_ITEMS or min(counts) < 1:
            raise ValueError(f"it has {counts[0]} tensors and {counts[1]} operators")
        codes = [self._code(model.OperatorCodes(index)) for index in range(counts[3])]
        tensors = [graph.Tensors(index) for index in range(counts[0])]
        constant = [self._check_tensor(tensor, counts[2]) for tensor in tensors]
        weights: set[int] = set()
        written: dict[int, int] = {}
        for index in range(counts[1]):
            operator = graph.Operators(index)
            inputs, outputs = _numbers(operator.InputsAsNumpy()), _numbers(operator.OutputsAsNumpy())
            if not operator.OpcodeIndex() < len(codes) or len(inputs) + len(outputs) > MAX_ITEMS:
                raise ValueError(f"operator {index} is of no known kind")
            code = codes[operator.OpcodeIndex()]
            # -1 stands for an input that is left out. Weights and what is computed from must be there.
            required = 2 if code in WEIGHTED else 1
            for place, number in enumerate(inputs):
                if not (0 if place < required else -1) <= number < len(tensors):
                    raise ValueError(f"operator {index} reads tensor {number} of {len(tensors)}")
            if code in WEIGHTED and len(inputs) < required:
                raise ValueError(f"operator {index} has no weights")
            for number in outputs:
                if not 0 <= number < len(tensors):
                    raise ValueError(f"operator {index} writes tensor {number} of {len(tensors)}")
                written[number] = inputs[0] if inputs else -1
            if code in WEIGHTED:
                source = inputs[1] if constant[inputs[1]] else written.get(inputs[1], inputs[1])
                weights.add(tensors[source].Type())
        precision: Precision = "int8" if INT8 in weights else "fp16" if FLOAT16 in weights else "fp32"
        return GraphFacts(precision, self._grids(tensors))

    def _grids(self, tensors: list[Any]) -> dict[str, tuple[float, int]]:
        """Return {name: (scale, zero point)} of the int8 tensors that the signature names."""
        grids = {}
        for number in range(self._model.SignatureDefsLength()):
            signature = self._model.SignatureDefs(number)
            maps = [signature.Inputs(index) for index in range(signature.InputsLength())]
            maps += [signature.Outputs(index) for index in range(signature.OutputsLength())]
            for entry in maps:
                if entry.TensorIndex() >= len(tensors):
                    raise ValueError("a signature names a tensor that does not exist")
                tensor = tensors[entry.TensorIndex()]
                if tensor.Type() == INT8:
                    quantization = tensor.Quantization()
                    grids[entry.Name().decode()] = (float(quantization.Scale(0)), int(quantization.ZeroPoint(0)))
        return grids

    def _code(self, operator_code: Any) -> int:
        code = max(operator_code.BuiltinCode(), operator_code.DeprecatedBuiltinCode())
        if code in FORBIDDEN:
            raise ValueError(f"it has the operator {FORBIDDEN[code]}, which runs other code")
        return int(code)

    def _check_tensor(self, tensor: Any, buffers: int) -> bool:
        """Check one tensor. Return True if its values are in the file."""
        kind = tensor.Type()
        shape = _numbers(tensor.ShapeAsNumpy())
        if kind not in BYTES or len(shape) > 6 or any(side < 0 for side in shape):
            raise ValueError(f"a tensor has type {kind} and shape {shape}")
        values = math.prod(shape)
        if values > MAX_VALUES:
            raise ValueError(f"a tensor has the shape {shape}, which is too large")
        if tensor.Buffer() >= buffers:
            raise ValueError(f"a tensor's values are in buffer {tensor.Buffer()} of {buffers}")
        self._check_quantization(tensor.Quantization(), kind, shape)
        buffer = self._model.Buffers(tensor.Buffer())
        length, start = buffer.DataLength(), buffer.Offset()
        if start > 1:  # the values are after the tables
            length = buffer.Size()
            if start + length > self._size:
                raise ValueError("a tensor's values end after the file")
        if length and length != values * BYTES[kind]:
            raise ValueError(f"a tensor of shape {shape} has {length} bytes")
        return bool(length)

    def _check_quantization(self, quantization: Any, kind: int, shape: list[int]) -> None:
        scales = 0 if quantization is None else quantization.ScaleLength()
        if scales == 0:
            if kind == INT8 and shape:
                raise ValueError("an int8 tensor has no scale")
            return
        if quantization.ZeroPointLength() != scales:
            raise ValueError(f"a tensor has {scales} scales and {quantization.ZeroPointLength()} zero points")
        dimension = quantization.QuantizedDimension()
        if scales > 1 and not (0 <= dimension < len(shape) and shape[dimension] == scales):
            raise ValueError(f"a tensor of shape {shape} has {scales} scales")
        if not all(math.isfinite(scale) and scale > 0 for scale in quantization.ScaleAsNumpy().tolist()):
            raise ValueError("a scale is not a positive number")


def _numbers(array: Any) -> list[int]:
    """Return the numbers of a vector, which the schema gives as an array, or as 0 if it is empty."""
    return [] if isinstance(array, int) else [int(number) for number in array.tolist()]
