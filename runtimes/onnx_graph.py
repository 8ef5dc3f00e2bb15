"""Check a .onnx graph before ONNX Runtime reads it, with a reader of protobuf that trusts no number in the file."""

from __future__ import annotations

from collections import Counter

from edgeshift.artifact import protobuf
from edgeshift.artifact.file import Artifact
from edgeshift.artifact.protobuf import Field
from edgeshift.artifact.soundness import GraphFacts
from edgeshift.targets import Precision

#: Numbers of fields in onnx.proto.
GRAPH, NODE, INITIALIZER, FUNCTION = 7, 1, 5, 25
OPERATOR, DOMAIN, DATA_TYPE = 4, 7, 2
FLOAT16 = 10
#: Operators that run other graphs, which edgeshift's graphs do not have. A Loop may never end.
FORBIDDEN = ("If", "Loop", "Scan", "SequenceMap")
#: Operators of int8 graphs, and domains whose operators ONNX Runtime implements itself.
QUANTIZED, DOMAINS = ("QuantizeLinear", "DequantizeLinear", "QLinearConv"), ("", "ai.onnx", "com.microsoft")
MAX_FIELDS = 1 << 18


def examine(artifact: Artifact) -> GraphFacts:
    """Return the facts of a graph.

    Raises:
        ValueError: it has operators that edgeshift does not write, or is not protobuf.
    """
    body = artifact.body
    model = protobuf.read_fields(body, 0, len(body), MAX_FIELDS)
    if any(field.number == FUNCTION for field in model):
        raise ValueError("it defines functions")
    graphs = [field for field in model if field.number == GRAPH]
    if len(graphs) != 1:
        raise ValueError(f"it has {len(graphs)} graphs, and not one")
    fields = protobuf.read_fields(body, graphs[0].start, graphs[0].stop, MAX_FIELDS)
    operators = Counter(_operator(body, field) for field in fields if field.number == NODE)
    for name in FORBIDDEN:
        if name in operators:
            raise ValueError(f"it has the operator {name}, which runs other graphs")
    return GraphFacts(_precision(body, operators, [field for field in fields if field.number == INITIALIZER]))


def _operator(body: bytes, node: Field) -> str:
    domain, operator = (protobuf.last_field(body, node, number, MAX_FIELDS) for number in (DOMAIN, OPERATOR))
    if _text(body, domain) not in DOMAINS:
        raise ValueError(f"it has an operator of the domain {_text(body, domain)!r:.60}")
    return _text(body, operator)


def _precision(body: bytes, operators: Counter[str], initializers: list[Field]) -> Precision:
    if any(name in operators for name in QUANTIZED):
        return "int8"
    types = {
        _number(body, protobuf.last_field(body, tensor, DATA_TYPE, MAX_FIELDS, protobuf.VARINT))
        for tensor in initializers
    }
    return "fp16" if FLOAT16 in types else "fp32"


def _text(body: bytes, field: Field) -> str:
    return body[field.start : field.stop].decode(errors="replace")


def _number(body: bytes, field: Field) -> int:
    return protobuf.read_varint(body, field.start, field.stop)[0] if field.stop > field.start else 0
