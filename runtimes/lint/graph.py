"""A graph of any format in the form that rules read: tensors, operators, inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

#: Types of values with a fraction.
FLOATS = ("float16", "float32", "float64", "bfloat16")
#: The side of a shape that is not fixed in the graph.
UNKNOWN = -1


@dataclass(frozen=True)
class Tensor:
    """A tensor.

    Attributes:
        name: its name in the graph.
        shape: its shape, where ``UNKNOWN`` stands for a side that is not fixed; None: the graph does not record it.
        dtype: its type, such as "int8"; "" if the graph does not record it.
        constant: True if its values are stored in the graph.
    """

    name: str
    shape: tuple[int, ...] | None = None
    dtype: str = ""
    constant: bool = False

    @property
    def is_float(self) -> bool:
        """Whether its values have a fraction."""
        return self.dtype in FLOATS


@dataclass(frozen=True)
class Node:
    """An operator.

    Attributes:
        kind: the name that the format has for it, such as "CONV_2D", "Conv" or "conv".
        inputs: indices of the tensors that it reads, without inputs that are left out.
        outputs: indices of the tensors that it writes.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass
class Graph:
    """A graph.

    Attributes:
        tensors: all tensors, by index.
        nodes: the operators in the order in which they run.
        inputs: {name of an input: index of its tensor}.
        outputs: {name of an output: index of its tensor}.
    """

    tensors: list[Tensor] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    inputs: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)

    def writers(self) -> dict[int, Node]:
        """Return {tensor: the operator that writes it}."""
        return {tensor: node for node in self.nodes for tensor in node.outputs}

    def readers(self) -> dict[int, list[Node]]:
        """Return {tensor: the operators that read it}."""
        found: dict[int, list[Node]] = {}
        for node in self.nodes:
            for tensor in dict.fromkeys(node.inputs):
                found.setdefault(tensor, []).append(node)
        return found

    def computed_inputs(self, node: Node) -> list[int]:
        """Return the tensors that an operator reads and whose values are not stored in the graph."""
        return [tensor for tensor in node.inputs if not self.tensors[tensor].constant]

    def nodes_of(self, *kinds: str) -> Iterator[Node]:
        """Yield the operators of some kinds."""
        return (node for node in self.nodes if node.kind in kinds)

    def place(self, node: Node) -> str:
        """Return an operator in words: its kind, and the tensor that it writes."""
        name = self.tensors[node.outputs[0]].name if node.outputs else ""
        return f"{node.kind} {short(name)}".rstrip()


def short(name: str) -> str:
    """Return the last part of a tensor's name. Converters put the modules around the layer before it."""
    parts = [part for part in name.split(";") if part and not part.isdigit()]
    return parts[-1].rpartition("/")[2].rpartition(".")[2][:60] if parts else name


def renamed(names: Mapping[str, int]) -> dict[int, list[str]]:
    """Return {tensor: the names that inputs or outputs have for it}."""
    found: dict[int, list[str]] = {}
    for name, tensor in names.items():
        found.setdefault(tensor, []).append(name)
    return found
