"""Lines about an artifact that several commands print."""

from __future__ import annotations

from edgeshift.artifact.spec import ParitySpec, StreamSpec
from edgeshift.cli.output import size_text

UNTRAINED = "untrained: its labels mean nothing"
Facts = list[tuple[str, object]]


def model_facts(spec: StreamSpec) -> Facts:
    """Which model, from which weights."""
    facts: Facts = [("model", spec.model.name), ("weights", spec.weights.source)]
    return facts if spec.weights.trained else [*facts, ("", UNTRAINED)]


def graph_facts(spec: StreamSpec) -> Facts:
    """What the runtime executes."""
    if spec.graph is None:
        return []
    graph = spec.graph
    operators = ", ".join(f"{count} {kind}" for kind, count in graph.operators.items())
    facts: Facts = [("operators", operators)] if operators else []
    if graph.delegated is not None:
        whose = f" ({graph.backend})" if graph.backend else ""
        facts.append(("delegated", f"{graph.delegated:.0%} in {graph.partitions} piece(s){whose}"))
    if graph.outside:
        facts.append(("not delegated", ", ".join(f"{count} {kind}" for kind, count in graph.outside.items())))
    return facts


def state_fact(spec: StreamSpec) -> tuple[str, str]:
    """What is carried from frame to frame, and where."""
    forms = {"io": "", "native": ", carried by the runtime", "buffer": ", in the program's own buffers"}
    return "state", f"{len(spec.states)} tensors, {size_text(spec.state_bytes)}{forms[spec.state_form]}"


def calibration_facts(spec: StreamSpec) -> Facts:
    """What set the ranges of an int8 artifact."""
    calibration = spec.calibration
    return [] if calibration is None else [("calibration", f"{calibration.source}, {calibration.samples} samples")]


def parity_facts(parity: ParitySpec, precision: str, *, holds: bool = True) -> Facts:
    """How it compared with the original."""
    verdict = f"within the limits for {precision}" if holds else "FAILED"
    steps = "" if parity.steps is None else f" ({parity.steps:.0f} quantization steps)"
    return [
        ("parity", f"{parity.frames} frames against {parity.reference}: {verdict}"),
        *([("  run by", parity.runtime)] if parity.runtime else []),
        ("  max error", f"{parity.max_error:.2g} of the logit range{steps}"),
        ("  cosine", f"{parity.cosine:.6f}"),
        ("  top-1", f"{parity.top1:.0%} agree, {parity.top1_clear:.0%} without near ties"),
        ("  states", f"worst error {parity.state_error:.2g} of its spread"),
        ("  drift", f"{parity.drift:.2f}x (error of the last eight frames over the first eight)"),
    ]
