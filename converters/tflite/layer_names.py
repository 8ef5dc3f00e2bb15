"""Find the layer of the network to which each operator of a TFLite graph belongs.

The name of a tensor lists the nested modules that were running when the tensor was written. Each module is written as
its class, ``_`` and its own name, as in
``torch.nn.modules.container.Sequential_layer1/nets.Block_0/torch.nn.modules.conv.Conv2d_conv1;``. Modules that are not
called themselves, such as a ``ModuleList``, are missing in it, so several layers can have the same name. They are told
apart by the order in which they run. If several operators were fused into one, its tensor has several such names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from edgeshift.artifact.spec import LOGITS
from edgeshift.converters.quantization.layer_paths import SHIFT, matches, require_matches, shown
from edgeshift.converters.quantization.ranges import Graph, Operator
from edgeshift.models.network import Exportable
from edgeshift.models.shift_layers import ExportedShift

#: Start of the class names of layers with weights.
WEIGHTED_CLASSES = ("torch.nn.modules.conv.", "torch.nn.modules.linear.")


def layers_of(graph: Graph, step: Exportable) -> list[str]:
    """Return the path of the layer of each operator of a graph; an empty path: the operator belongs to no layer.

    Args:
        graph: the float graph.
        step: the step or clip function that was exported as this graph.
    """
    calls, head = _calls(step)
    scopes = [_scope(graph, operator, calls) for operator in graph.operators]
    count = {scope: scopes.count(scope) for scope in scopes}
    seen: dict[str, int] = defaultdict(int)
    layers = []
    for operator, scope in zip(graph.operators, scopes, strict=True):
        if operator.outputs[0] == graph.outputs.get(LOGITS):
            layers.append(head)
            continue
        paths = calls.get(scope, [""])
        layers.append(paths[seen[scope] * len(paths) // count[scope]])
        seen[scope] += 1
    return layers


def matching(graph: Graph, step: Exportable, patterns: Sequence[str]) -> list[Operator]:
    """Return the operators of the layers that match one of the patterns.

    Raises:
        ConversionError: a pattern matches no layer.
    """
    layers = layers_of(graph, step) if patterns else []
    require_matches(layers, patterns)
    return [operator for operator, layer in zip(graph.operators, layers, strict=False) if matches(layer, patterns)]


def _calls(step: Exportable) -> tuple[dict[str, list[str]], str]:
    """Run the function once, to learn which layers it calls.

    Returns:
        {name that the exporter gives: paths of the layers with this name, in the order in which they run}, and the path
        of the last convolution or linear layer.
    """
    calls: dict[str, list[str]] = defaultdict(list)
    stack: list[str] = []
    head = [""]

    def enter(path: str, module: nn.Module) -> None:
        kind = f"{type(module).__module__}.{type(module).__qualname__}"
        stack.append(f"{kind}_{path.rpartition('.')[2] or 'step'}")
        place = path.rpartition(".")[2]
        calls["/".join(stack)].append(f"{SHIFT}{place}" if isinstance(module, ExportedShift) else shown(path))
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            head[0] = shown(path)

    def leave(_module: nn.Module, _inputs: Any, _result: Any) -> None:
        stack.pop()

    handles = []
    for path, module in step.named_modules():
        handles.append(module.register_forward_pre_hook(lambda m, _inputs, path=path: enter(path, m)))
        handles.append(module.register_forward_hook(leave))
    try:
        with torch.no_grad():
            size = step.network.config.size
            step(torch.zeros(step.pictures, 3, size, size), *step.start())
    finally:
        for handle in handles:
            handle.remove()
    return calls, head[0]


def _scope(graph: Graph, operator: Operator, calls: dict[str, list[str]]) -> str:
    """Return the longest part of an operator's name that is a key of ``calls``; empty: there is none.

    If an activation is fused into a convolution or linear layer, the operator has the names of both. The name of the
    convolution or linear layer is used, although the other one comes first.
    """
    names = [name for name in graph.names[operator.outputs[0]].split(";") if name]
    layers = [name for name in names if name.rpartition("/")[2].startswith(WEIGHTED_CLASSES)]
    scope = next(iter([*layers, *names]), "").partition("/")[2]
    while scope and scope not in calls:
        scope = scope.rpartition("/")[0]
    return scope
