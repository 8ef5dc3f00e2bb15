"""What ``edgeshift convert`` prints: facts about one artifact, or one table over all targets."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from edgeshift.cli.facts import (
    Facts,
    calibration_facts,
    float_layer_facts,
    graph_facts,
    model_facts,
    parity_facts,
    rule_facts,
    sound_facts,
    state_fact,
)
from edgeshift.cli.output import print_facts, print_json, print_next, print_note, print_table, size_text

if TYPE_CHECKING:
    from edgeshift.converters import Converted, Outcome

COLUMNS = ("target", "file", "size", "delegated", "largest error", "cosine", "top-1", "checked by", "seconds")
#: If the share of delegated operators is below this, a warning lists the other operators.
MIN_DELEGATED = 0.95


def show_one(result: Converted, *, as_json: bool) -> int:
    """Print the artifact of one target, and its warnings on standard error.

    Returns:
        The exit status: 1 if the artifact failed its comparison with the original, and was written with ``--force``.
    """
    status = int(bool(result.spec.problems))
    for warning in list_warnings(result):
        print_note(warning)
    if as_json:
        print_json({**_document(result), "seconds": result.seconds})
        return status
    spec = result.spec
    facts: Facts = [
        *model_facts(spec),
        ("size", size_text(result.size)),
        ("precision", spec.precision),
        ("frame", f"{spec.frame.width}x{spec.frame.height} {spec.frame.order}, {spec.input.dtype}"),
        state_fact(spec),
        *sound_facts(spec.model.sound, spec.frames if spec.mode == "clip" else None),
        *graph_facts(spec),
        *rule_facts(spec),
        *calibration_facts(spec),
        *float_layer_facts(spec),
        *(parity_facts(spec.parity, spec, passed=not status) if spec.parity else [("parity", result.unproven)]),
        *_before_facts(result),
        ("seconds", ", ".join(f"{name} {seconds:.1f}" for name, seconds in result.seconds.items())),
    ]
    print_facts(str(result.path), facts)
    # `demo` cannot run an artifact for which this machine has no runtime.
    print_next("edgeshift", *(("inspect", result.path) if result.unproven else ("demo", result.path, "--headless")))
    return status


def _before_facts(result: Converted) -> Facts:
    """Return the comparison of a compiled graph with the graph before compilation; nothing if there is none."""
    parity = result.before
    if parity is None:
        return []
    steps = "" if parity.steps is None else f"within {parity.steps:.0f} quantization steps, "
    return [("before compilation", f"{parity.reference}: {steps}top-1 {parity.top1:.0%}, over {parity.frames} frames")]


def list_warnings(result: Converted) -> list[str]:
    """Return the warnings about a successful conversion: slow operators, and what was not verified."""
    from edgeshift.artifact.file import FAILED

    graph, warnings = result.spec.graph, []
    if result.spec.problems:
        warnings.append(f"{result.path}: {FAILED}: {'; '.join(result.spec.problems)}")
    # An operator outside an NPU costs two copies of its tensors.
    least = MIN_DELEGATED if result.spec.chip is None else 1.0
    if graph is not None and graph.delegated is not None and graph.delegated < least:
        names = ", ".join(f"{count} {kind}" for kind, count in graph.outside.items())
        others = f"; not delegated: {names}" if names else ""
        warnings.append(f"only {graph.delegated:.0%} of operators are delegated{others}")
    return [*warnings, result.unproven] if result.unproven is not None else warnings


def show_all(outcomes: list[Outcome], *, as_json: bool) -> int:
    """Print the outcome of every target.

    Returns:
        The exit status: 0 if all were converted, else the lowest status of the errors. A failed check (1) is thus
        reported before bad input (2).
    """
    if as_json:
        print_json([_outcome_document(outcome) for outcome in outcomes])
    else:
        print_table("", COLUMNS, [_row(outcome) for outcome in outcomes])
    for outcome in outcomes:
        if outcome.error is not None:
            print(f"edgeshift: {outcome.target}: {outcome.error}", file=sys.stderr)
    paths = [outcome.converted.path for outcome in outcomes if outcome.converted is not None]
    if paths and not as_json:
        print_next("edgeshift", "verify", paths[0])
    statuses = [outcome.error.status for outcome in outcomes if outcome.error is not None]
    statuses += [1 for outcome in outcomes if outcome.converted is not None and outcome.converted.spec.problems]
    return min(statuses, default=0)


def _row(outcome: Outcome) -> tuple[object, ...]:
    result = outcome.converted
    if result is None:
        return (outcome.target, "not converted", *["-"] * 6, f"{outcome.seconds:.1f}")
    graph, parity = result.spec.graph, result.spec.parity
    share = "-" if graph is None or graph.delegated is None else f"{graph.delegated:.0%}"
    checked: tuple[str, ...] = ("-", "-", "-", "not verified here")
    if parity is not None:
        failed = "FAILED, " if result.spec.problems else ""
        checked = (
            f"{parity.max_error:.2g}",
            f"{parity.cosine:.6f}",
            f"{parity.top1:.0%}",
            failed + (parity.runtime or "-"),
        )
    return outcome.target, result.path.name, size_text(result.size), share, *checked, f"{outcome.seconds:.1f}"


def _outcome_document(outcome: Outcome) -> dict[str, Any]:
    result = {"error": str(outcome.error)} if outcome.converted is None else _document(outcome.converted)
    return {"target": outcome.target, "seconds": round(outcome.seconds, 3), **result}


def _document(result: Converted) -> dict[str, Any]:
    before = {} if result.before is None else {"before_compilation": result.before}
    return {"path": result.path, "bytes": result.size, "spec": result.spec, **before}
