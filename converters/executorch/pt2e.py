"""int8 for ExecuTorch: PT2E with one observer per tensor, ranges tied before they become scales.

    float   conv -- hardtanh -- cat            one range is measured for what is really made: behind the activation
    int8    dq -- conv -- hardtanh -- q -- dq -- cat -- q

XNNPACK takes the pattern between two pairs as one int8 operator. Weights are symmetric, one scale per output channel.
The quantizer that comes with ExecuTorch is not used: it measures before a ReLU6, not behind it, and leaves slices out,
so that states are converted to float and back around each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from edgeshift.artifact.spec import FRAME, LOGITS
from edgeshift.converters.channels_last import in_memory
from edgeshift.converters.job import Job
from edgeshift.converters.quantization.ranges import ADD, DEPTHWISE, MUL, SUB, Graph, Operator, tied
from edgeshift.errors import ConversionError, one_line

ATEN = torch.ops.aten
#: Operators whose second argument is a weight with the output channels first.
WEIGHTED = (ATEN.conv2d.default, ATEN.linear.default)
#: Activations, and what they are fused into: a tensor between the two is never made.
FUSED = {ATEN.hardtanh.default: WEIGHTED, ATEN.relu.default: (*WEIGHTED, ATEN.add.Tensor)}
#: What the operators are called that ``edgeshift.converters.quantization.ranges`` looks at.
KINDS = {
    ATEN.slice.Tensor: "SLICE",
    ATEN.cat.default: "CONCATENATION",
    ATEN.flatten.using_ints: "RESHAPE",
    ATEN._to_copy.default: "TRANSPOSE",
    ATEN.max_pool2d.default: "MAX_POOL_2D",
    ATEN.mul.Tensor: MUL,
    ATEN.add.Tensor: ADD,
    ATEN.sub.Tensor: SUB,
}
#: Scales below this are not told from zero by the kernels.
SMALLEST = 2.0**-12


@dataclass(frozen=True)
class Grid:
    """``real = scale * (stored - zero_point)``, stored as int8."""

    scale: float
    zero_point: int

    def tensor(self, real: Tensor) -> Tensor:
        """A tensor on the grid, its memory in the same order."""
        stored = torch.round(real / self.scale) + self.zero_point
        return stored.clamp(-128, 127).to(torch.int8)


def quantize(job: Job, module: fx.GraphModule) -> tuple[nn.Module, list[Grid]]:
    """The int8 form of a float step.

    Args:
        job: with its samples. module: from ``edgeshift.converters.executorch.export.export_step``; used up.

    Returns:
        A module that takes and gives int8 (float, if the job asks for a float boundary), and the grids of frame, states
        and logits, in that order.

    Raises:
        ConversionError: a tool refuses, or a state whose two ends would not be the same.
    """
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    names = (FRAME, *job.step.state_names)
    graph = read_graph(module, names)
    try:
        prepared = prepare_pt2e(module, _quantizer())
        with torch.no_grad():
            for sample in job.samples:
                prepared(*(in_memory(torch.from_numpy(sample[name])) for name in names))
        _tie(prepared, graph)
        converted = convert_pt2e(prepared)
    except Exception as error:
        raise ConversionError(f"torchao cannot quantize the graph: {one_line(error)}") from error
    grids = _boundary(converted, names, strip=not job.float_boundary)
    return converted, grids


def read_graph(module: fx.GraphModule, names: Sequence[str]) -> Graph:
    """A float module as ``edgeshift.converters.quantization.ranges`` reads it.

    Args:
        module: exported, with constants as attributes. names: of its inputs, the frame and the states.
    """
    graph, index = Graph(), dict[fx.Node, int]()
    for node in module.graph.nodes:
        if node.op == "output":
            outputs = node.args[0]
            continue
        index[node] = len(index)
        graph.names.append(node.name)
        if node.op == "get_attr":
            graph.constants[index[node]] = _attribute(module, str(node.target)).detach().numpy()
        elif node.op == "call_function":
            kind = KINDS.get(node.target, str(node.target))
            if node.target == ATEN.conv2d.default and len(node.args) > 6 and node.args[6] > 1:
                kind = DEPTHWISE
            inputs = tuple(index[source] for source in node.all_input_nodes)
            graph.operators.append(Operator(kind, inputs, (index[node],)))
    placeholders = [node for node in module.graph.nodes if node.op == "placeholder"]
    graph.inputs = {name: index[node] for name, node in zip(names, placeholders, strict=True)}
    graph.outputs = {name: index[node] for name, node in zip((LOGITS, *names[1:]), outputs, strict=True)}
    return graph


def _quantizer() -> Any:
    """What PT2E asks where to observe: at every tensor that will be made, and at the weights."""
    from torchao.quantization.pt2e import MinMaxObserver, PerChannelMinMaxObserver
    from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, QuantizationSpec, Quantizer
    from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

    # The union of all ranges met, not a histogram's: a stream's states start at zero and only then reach their range.
    tensor = QuantizationSpec(
        dtype=torch.int8,
        quant_min=-128,
        quant_max=127,
        qscheme=torch.per_tensor_affine,
        observer_or_fake_quant_ctr=MinMaxObserver.with_args(eps=SMALLEST),
    )
    weight = QuantizationSpec(
        dtype=torch.int8,
        quant_min=-127,
        quant_max=127,
        qscheme=torch.per_channel_symmetric,
        ch_axis=0,
        observer_or_fake_quant_ctr=PerChannelMinMaxObserver.with_args(eps=SMALLEST**2),
    )

    class EveryTensor(Quantizer):  # type: ignore[misc]
        def annotate(self, model: fx.GraphModule) -> fx.GraphModule:
            for node in model.graph.nodes:
                if node.op != "call_function":
                    continue
                inputs = dict.fromkeys(node.all_input_nodes, tensor)
                if node.target in WEIGHTED:
                    inputs = {node.args[0]: tensor, node.args[1]: weight}
                elif _is_fused(node):
                    inputs = {}
                fused = any(_is_fused(user) for user in node.users)
                node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(
                    input_qspec_map=inputs, output_qspec=None if fused else tensor, _annotated=True
                )
            return model

        def validate(self, model: fx.GraphModule) -> None:
            pass

    return EveryTensor()


def _is_fused(node: fx.Node) -> bool:
    """True for an activation that becomes part of the one operator it reads."""
    if node.target not in FUSED:
        return False
    source = node.args[0]
    return isinstance(source, fx.Node) and source.target in FUSED[node.target] and len(source.users) == 1


def _tie(prepared: fx.GraphModule, graph: Graph) -> None:
    """Give each group of tensors one range, in the observers."""
    from torchao.quantization.pt2e import MinMaxObserver

    observers = {
        node.args[0].name: _attribute(prepared, str(node.target))
        for node in prepared.graph.nodes
        if node.op == "call_module"
    }
    measured = {
        name: (float(observer.min_val), float(observer.max_val))
        for name, observer in observers.items()
        if isinstance(observer, MinMaxObserver)
    }
    for name, (low, high) in tied(graph, measured).items():
        if name in measured:
            observers[name].min_val, observers[name].max_val = torch.tensor(low), torch.tensor(high)


def _boundary(module: fx.GraphModule, names: Sequence[str], *, strip: bool) -> list[Grid]:
    """The grids of frame, states and logits; with ``strip``, what converts them to int8 and back is taken out."""
    quantized = torch.ops.quantized_decomposed
    grids = []
    for node in [node for node in module.graph.nodes if node.op == "placeholder"]:
        (convert,) = node.users
        assert convert.target == quantized.quantize_per_tensor.default, "every input is observed"
        grids.append(Grid(float(convert.args[1]), int(convert.args[2])))
        if strip:
            convert.replace_all_uses_with(node)
            module.graph.erase_node(convert)
    (output,) = (node for node in module.graph.nodes if node.op == "output")
    ends = list(output.args[0])
    assert all(end.target == quantized.dequantize_per_tensor.default for end in ends), "every output is observed"
    found = [Grid(float(end.args[1]), int(end.args[2])) for end in ends]
    for name, read, written in zip(names[1:], grids[1:], found[1:], strict=True):
        if read != written:
            raise ConversionError(f"the graph's {name} is {read} where it is read and {written} where it is written")
    if strip:
        output.args = (tuple(end.args[0] for end in ends),)
        module.graph.eliminate_dead_code()
    module.recompile()
    return [*grids, found[0]]


def _attribute(module: nn.Module, path: str) -> Any:
    found: Any = module
    for part in path.split("."):
        found = getattr(found, part)
    return found
