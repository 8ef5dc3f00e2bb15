"""Read the graph of an .onnx artifact with edgeshift's reader of protobuf. The package onnx is not needed."""

from __future__ import annotations

from edgeshift.artifact import protobuf
from edgeshift.artifact.file import Artifact
from edgeshift.artifact.protobuf import Field
from edgeshift.errors import ArtifactError
from edgeshift.runtimes.lint.graph import UNKNOWN, Graph, Node, Tensor
from edgeshift.runtimes.onnx_graph import MAX_FIELDS, examine

#: Numbers of fields in onnx.proto: of the model, of its graph, of an operator, of a value and of a constant.
GRAPH = 7
NODE, INITIALIZER, INPUT, OUTPUT, VALUE_INFO = 1, 5, 11, 12, 13
NODE_INPUT, NODE_OUTPUT, NODE_KIND = 1, 2, 4
VALUE_NAME, VALUE_TYPE, TENSOR_TYPE, ELEMENT, SHAPE, DIMENSION, SIDE = 1, 2, 1, 1, 2, 1, 1
DIMS, DATA_TYPE, CONSTANT_NAME = 1, 2, 8
#: {number of a type in onnx.proto: name}.
TYPES = {1: "float32", 2: "uint8", 3: "int8", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16"}
#: Operators whose result has the shape of their first input.
SAME_SHAPE = ("QuantizeLinear", "DequantizeLinear", "Cast")


def read(artifact: Artifact) -> Graph:
    """See ``edgeshift.runtimes.lint.check.read_graph``."""
    try:
        examine(artifact)
        return _Reader(artifact.body).read()
    except ValueError as error:
        raise ArtifactError(
            f"{artifact.path}: its graph is damaged or hostile: {error}; convert the model again"
        ) from error


class _Reader:
    """Reads one model. Tensors are numbered in the order in which their names appear."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._indices: dict[str, int] = {}
        self._graph = Graph()

    def read(self) -> Graph:
        """Return the graph.

        Raises:
            ValueError: the model is not protobuf.
        """
        whole = Field(0, 0, 0, len(self._body))
        fields = self._fields(protobuf.last_field(self._body, whole, GRAPH, MAX_FIELDS))
        of = {number: [field for field in fields if field.number == number] for number in {f.number for f in fields}}
        for field in of.get(INITIALIZER, []):
            self._add_constant(field)
        constants = set(self._indices.values())
        for field in (*of.get(INPUT, []), *of.get(OUTPUT, []), *of.get(VALUE_INFO, [])):
            self._add_value(field)
        for field in of.get(NODE, []):
            self._add_node(field)
        ends = {number: [self._text(field, VALUE_NAME) for field in of.get(number, [])] for number in (INPUT, OUTPUT)}
        self._graph.inputs = {name: i for name in ends[INPUT] if (i := self._indices[name]) not in constants}
        self._graph.outputs = {name: self._indices[name] for name in ends[OUTPUT]}
        return self._graph

    def _add_constant(self, field: Field) -> None:
        dims = [number for part in self._fields(field) if part.number == DIMS for number in self._integers(part)]
        dtype = TYPES.get(self._number(field, DATA_TYPE), "")
        self._put(Tensor(self._text(field, CONSTANT_NAME), tuple(dims), dtype, constant=True))

    def _add_value(self, field: Field) -> None:
        name = self._text(field, VALUE_NAME)
        if name in self._indices:
            return
        kind = self._last(self._last(field, VALUE_TYPE), TENSOR_TYPE)
        sides = []
        for side in self._fields(self._last(kind, SHAPE)):
            if side.number == DIMENSION:
                value = self._last(side, SIDE, protobuf.VARINT)
                fixed = value.stop > value.start
                sides.append(protobuf.read_varint(self._body, value.start, value.stop)[0] if fixed else UNKNOWN)
        self._put(Tensor(name, tuple(sides), TYPES.get(self._number(kind, ELEMENT), "")))

    def _add_node(self, field: Field) -> None:
        parts = self._fields(field)
        texts = {n: [self._content(p) for p in parts if p.number == n] for n in (NODE_INPUT, NODE_OUTPUT, NODE_KIND)}
        kind = texts[NODE_KIND][-1] if texts[NODE_KIND] else ""
        inputs = tuple(self._index(name) for name in texts[NODE_INPUT] if name)
        tensors = self._graph.tensors
        for name in texts[NODE_OUTPUT]:
            if name not in self._indices and kind in SAME_SHAPE and inputs:
                # A stored weight that is read from int8 is still stored in the graph.
                self._put(Tensor(name, tensors[inputs[0]].shape, "", tensors[inputs[0]].constant))
        outputs = tuple(self._index(name) for name in texts[NODE_OUTPUT] if name)
        self._graph.nodes.append(Node(kind, inputs, outputs))

    def _put(self, tensor: Tensor) -> None:
        self._indices[tensor.name] = len(self._graph.tensors)
        self._graph.tensors.append(tensor)

    def _index(self, name: str) -> int:
        if name not in self._indices:
            self._put(Tensor(name))
        return self._indices[name]

    def _fields(self, message: Field) -> list[Field]:
        return protobuf.read_fields(self._body, message.start, message.stop, MAX_FIELDS)

    def _last(self, message: Field, number: int, wire_type: int = protobuf.BYTES) -> Field:
        return protobuf.last_field(self._body, message, number, MAX_FIELDS, wire_type)

    def _content(self, field: Field) -> str:
        return self._body[field.start : field.stop].decode(errors="replace")

    def _text(self, message: Field, number: int) -> str:
        return self._content(self._last(message, number))

    def _number(self, message: Field, number: int) -> int:
        field = self._last(message, number, protobuf.VARINT)
        return protobuf.read_varint(self._body, field.start, field.stop)[0] if field.stop > field.start else 0

    def _integers(self, field: Field) -> list[int]:
        """Return the integers of a repeated field: one, or many that are packed one after the other."""
        numbers, at = [], field.start
        while at < field.stop:
            number, at = protobuf.read_varint(self._body, at, field.stop)
            numbers.append(number)
        return numbers
