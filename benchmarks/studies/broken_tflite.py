"""Ways to break a .tflite graph: its states, its weights, the order of its values, and what phones refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np

from edgeshift.errors import missing

#: Makes one change to a graph.
Change = Callable[["Graph"], None]


class Graph:
    """An editable copy of a .tflite graph.

    Attributes:
        schema: the classes of the format.
        model: the whole file, as objects of ``schema``.
        tensors, operators: those of its only subgraph.
        ends: {name of an output: its entry in the signature}.
        starts: {name of an input: index of its tensor}.
    """

    def __init__(self, body: bytes) -> None:
        self.schema: ModuleType = _schema()
        self.model: Any = self.schema.ModelT.InitFromPackedBuf(body, 0)
        for buffer in self.model.buffers:
            if buffer.offset > 1:  # the content of a large buffer is behind the tables of the file
                buffer.data = np.frombuffer(body, np.uint8, buffer.size, buffer.offset)
                buffer.offset = buffer.size = 0
        graph, signature = self.model.subgraphs[0], self.model.signatureDefs[0]
        self._graph = graph
        self.tensors, self.operators = graph.tensors, graph.operators
        self.ends = {entry.name.decode(): entry for entry in signature.outputs}
        self.starts = {entry.name.decode(): entry.tensorIndex for entry in signature.inputs}

    def body(self) -> bytes:
        """Return the graph as bytes."""
        from flatbuffers import Builder

        builder = Builder(1 << 20)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def kind(self, operator: Any) -> str:
        """Return the name of an operator's kind, such as "CONV_2D"."""
        code = self.model.operatorCodes[operator.opcodeIndex]
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        return next(str(name) for name, value in vars(self.schema.BuiltinOperator).items() if value == number)

    def all_of(self, *kinds: str) -> list[int]:
        """Return the indices of the operators of some kinds."""
        return [index for index, operator in enumerate(self.operators) if self.kind(operator) in kinds]

    def is_stored(self, tensor: int) -> bool:
        """Return True if the values of a tensor are in the file."""
        return self.model.buffers[self.tensors[tensor].buffer].data is not None

    def is_quantized(self, tensor: int) -> bool:
        """Return True if a tensor has a scale."""
        quantization = self.tensors[tensor].quantization
        return quantization is not None and quantization.scale is not None and len(quantization.scale) > 0

    def values(self, tensor: int) -> Any:
        """Return a writable copy of the stored values of a tensor, in the tensor's shape."""
        names = {value: name for name, value in vars(self.schema.TensorType).items() if not name.startswith("_")}
        entry = self.tensors[tensor]
        data = bytes(bytearray(self.model.buffers[entry.buffer].data))
        return np.frombuffer(data, names[entry.type].lower()).reshape(entry.shape).copy()

    def store(self, values: Any) -> int:
        """Store values that no other tensor shares, and return the index of their buffer."""
        buffer = self.schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def add_tensor(self, like: int, shape: Sequence[int] | None = None, values: Any = None) -> int:
        """Add a tensor with the type and quantization of another, and return its index."""
        source, entry = self.tensors[like], self.schema.TensorT()
        entry.name, entry.type, entry.quantization = (
            f"broken_{len(self.tensors)}".encode(),
            source.type,
            source.quantization,
        )
        entry.shape = np.array(source.shape if shape is None else shape, np.int32)
        entry.hasRank = True
        entry.buffer = 0 if values is None else self.store(values)
        self.tensors.append(entry)
        return len(self.tensors) - 1

    def add_integers(self, values: Sequence[int]) -> int:
        """Add a stored tensor of 32-bit integers, and return its index."""
        entry = self.schema.TensorT()
        entry.name, entry.type = f"broken_{len(self.tensors)}".encode(), self.schema.TensorType.INT32
        entry.shape, entry.hasRank = np.array([len(values)], np.int32), True
        entry.buffer = self.store(np.array(values, np.int32))
        self.tensors.append(entry)
        return len(self.tensors) - 1

    def add_operator(self, kind: str, inputs: Sequence[int], output: int, at: int | None = None) -> None:
        """Add an operator with default options, at the end or at a position."""
        code = self.schema.OperatorCodeT()
        code.builtinCode = getattr(self.schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
        self.model.operatorCodes.append(code)
        operator = self.schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes) - 1
        operator.inputs, operator.outputs = np.array(inputs, np.int32), np.array([output], np.int32)
        name = "".join(part.capitalize() for part in kind.split("_")) + "Options"
        options = getattr(self.schema, f"{name}T", None)
        if options is not None:
            operator.builtinOptionsType, operator.builtinOptions = getattr(self.schema.BuiltinOptions, name), options()
        self.operators.insert(len(self.operators) if at is None else at, operator)

    def return_as(self, output: str, tensor: int) -> None:
        """Return another tensor as an output."""
        entry = self.ends[output]
        outputs = list(self._graph.outputs)
        outputs[outputs.index(entry.tensorIndex)] = tensor
        self._graph.outputs, entry.tensorIndex = np.array(outputs, np.int32), tensor

    def read_instead(self, old: int, new: int, start: int) -> None:
        """Make every operator from position ``start`` on read the tensor ``new`` in place of ``old``."""
        for operator in self.operators[start:]:
            operator.inputs = np.where(np.asarray(operator.inputs) == old, new, operator.inputs).astype(np.int32)


def breaks(body: bytes, states: Sequence[str]) -> Iterator[tuple[str, str, bytes]]:
    """Yield (what is broken, where, the broken graph).

    Args:
        body: a .tflite graph of one step.
        states: names of its states.
    """
    whole = Graph(body)
    for kind, name, change in (
        *_state_breaks(whole, states),
        *_value_breaks(whole),
        *_refused(whole, states),
    ):
        graph = Graph(body)
        change(graph)
        yield kind, name, graph.body()


def _state_breaks(whole: Graph, states: Sequence[str]) -> Iterator[tuple[str, str, Change]]:
    for name in states:

        def old(graph: Graph, name: str = name) -> None:
            graph.return_as(name, graph.starts[name])

        def zeros(graph: Graph, name: str = name) -> None:
            tensor = graph.ends[name].tensorIndex
            fresh = graph.add_tensor(tensor)
            graph.add_operator("SUB", (graph.starts[name], graph.starts[name]), fresh)
            graph.return_as(name, fresh)

        def added(graph: Graph, name: str = name) -> None:
            tensor = graph.ends[name].tensorIndex
            total = graph.add_tensor(tensor)
            graph.add_operator("ADD", (tensor, graph.starts[name]), total)
            graph.return_as(name, total)

        yield "a next state is the old one", name, old
        yield "a next state is always zero", name, zeros
        yield "a next state is a sum with the old one", name, added
        end = whole.ends[name].tensorIndex
        writer = next((operator for operator in whole.operators if end in operator.outputs), None)
        # No operator writes a state that is passed through.
        if writer is not None and whole.kind(writer) == "MUL":  # by the 1 that is computed from the frame
            like = next(t for t in writer.inputs if list(whole.tensors[t].shape) == list(whole.tensors[end].shape))

            def without(graph: Graph, name: str = name, source: int = int(like)) -> None:
                graph.return_as(name, source)

            yield "a next state is not computed anew", name, without
    for a, b in pairwise(states):
        first, second = (whole.tensors[whole.ends[name].tensorIndex] for name in (a, b))
        if list(first.shape) == list(second.shape):

            def swap(graph: Graph, a: str = a, b: str = b) -> None:
                one, other = graph.ends[a].tensorIndex, graph.ends[b].tensorIndex
                graph.ends[a].tensorIndex, graph.ends[b].tensorIndex = other, one

            yield "two next states are swapped", f"{a}, {b}", swap


def _value_breaks(whole: Graph) -> Iterator[tuple[str, str, Change]]:
    for index in whole.all_of("CONCATENATION"):
        inputs = list(whole.operators[index].inputs)
        if len(inputs) < 2 or any(map(whole.is_stored, inputs)):
            continue  # the frame is joined with stored rows and columns, which pad it

        def reverse(graph: Graph, index: int = index) -> None:
            graph.operators[index].inputs = graph.operators[index].inputs[::-1].copy()

        yield "a concatenation has another order", f"operator {index}", reverse
    for index in whole.all_of("SLICE"):
        source, begin, size = whole.operators[index].inputs[:3]
        begins, sizes = whole.values(begin), whole.values(size)
        channels = whole.tensors[source].shape[-1]
        moved = 1 if begins[-1] + sizes[-1] + 1 <= channels and sizes[-1] > 0 else -1
        if begins[-1] + moved < 0 or sizes.prod() == 1:  # any value of the frame gives the 1 of fresh states
            continue
        begins[-1] += moved

        def move(graph: Graph, index: int = index, values: Any = begins) -> None:
            inputs = list(graph.operators[index].inputs)
            inputs[1] = graph.add_integers(values)
            graph.operators[index].inputs = np.array(inputs, np.int32)

        yield "a slice begins one channel too late or too early", f"operator {index}", move
    for index in whole.all_of("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        kind = whole.kind(whole.operators[index])
        if not whole.is_stored(whole.operators[index].inputs[1]):
            continue  # fp16 weights pass an operator first

        def permute(graph: Graph, index: int = index, axis: int = 3 if kind == "DEPTHWISE_CONV_2D" else 0) -> None:
            weights = graph.operators[index].inputs[1]
            graph.tensors[weights].buffer = graph.store(np.flip(graph.values(weights), axis))

        def larger(graph: Graph, index: int = index) -> None:
            weights = graph.operators[index].inputs[1]
            if graph.is_quantized(weights):
                parameters = graph.tensors[weights].quantization
                parameters.scale = np.asarray(parameters.scale, np.float32) * np.float32(1.5)
            else:
                graph.tensors[weights].buffer = graph.store(graph.values(weights) * np.float32(1.5))

        yield "the filters of a layer are in another order", f"operator {index}", permute
        yield "the weights of a layer are 1.5 times too large", f"operator {index}", larger
        options = whole.operators[index].builtinOptions
        # The range of an int8 tensor ends where its activation does, so an activation that is left out changes nothing.
        if options.fusedActivationFunction and not whole.is_quantized(whole.operators[index].outputs[0]):

            def linear(graph: Graph, index: int = index) -> None:
                graph.operators[index].builtinOptions.fusedActivationFunction = 0

            yield "an activation is left out", f"operator {index}", linear


def _refused(whole: Graph, states: Sequence[str]) -> Iterator[tuple[str, str, Change]]:
    for name in ("frame", *states):

        def dynamic(graph: Graph, name: str = name) -> None:
            tensor = graph.tensors[graph.starts[name]]
            tensor.shapeSignature = np.array([-1, *tensor.shape[1:]], np.int32)

        yield "an input has a side that is not fixed", name, dynamic
    for name in ("frame", *states):
        if len(whole.tensors[whole.starts[name]].shape) != 4:
            continue

        def transposed(graph: Graph, name: str = name) -> None:
            tensor = graph.starts[name]
            shape = list(graph.tensors[tensor].shape)
            there = graph.add_tensor(tensor, [shape[0], shape[2], shape[1], shape[3]])
            back, order = graph.add_tensor(tensor), graph.add_integers((0, 2, 1, 3))
            graph.add_operator("TRANSPOSE", (tensor, order), there, at=0)
            graph.add_operator("TRANSPOSE", (there, order), back, at=1)
            graph.read_instead(tensor, back, start=2)

        yield "a tensor is transposed there and back", name, transposed
    for name in ("MAXIMUM", "MINIMUM"):

        def twice(graph: Graph, name: str = name) -> None:
            tensor = graph.ends["logits"].tensorIndex
            same = graph.add_tensor(tensor)
            graph.add_operator(name, (tensor, tensor), same)
            graph.return_as("logits", same)

        yield "an operator is given one tensor twice", name, twice

    def five(graph: Graph) -> None:
        tensor = graph.ends["logits"].tensorIndex
        shape = [int(side) for side in graph.tensors[tensor].shape]
        high, low = graph.add_tensor(tensor, [1, 1, 1, *shape]), graph.add_tensor(tensor)
        graph.add_operator("RESHAPE", (tensor, graph.add_integers([1, 1, 1, *shape])), high)
        graph.add_operator("RESHAPE", (high, graph.add_integers(shape)), low)
        graph.return_as("logits", low)

    yield "a tensor has five dimensions", "logits", five
    for name in ("L2_NORMALIZATION", "LOG_SOFTMAX", "ZEROS_LIKE"):

        def refused(graph: Graph, name: str = name) -> None:
            tensor = graph.ends["logits"].tensorIndex
            other = graph.add_tensor(tensor)
            graph.add_operator(name, (tensor,), other)

        yield "an operator that GPUs refuse is computed beside the network", name, refused


def _schema() -> ModuleType:
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as error:
        raise missing("ai-edge-litert", "tflite", "breaking a .tflite file") from error
    module: ModuleType = schema
    return module
