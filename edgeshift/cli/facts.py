"""Facts about an artifact that several commands print. If the glossary has a term for a fact, it is the fact's name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgeshift.cli.output import size_text

if TYPE_CHECKING:
    from edgeshift.artifact.spec import ParitySpec, SoundParitySpec, StreamSpec
    from edgeshift.sound import SoundSettings

Facts = list[tuple[str, object]]

UNTRAINED = "untrained: its labels mean nothing"
#: {precision: what is known when the comparison with the original has passed}.
PASSED = {
    "fp32": "equal up to rounding",
    "fp16": "equal to the original rounded to fp16",
    "int8": "within the limits stated for int8",
}
#: {back end in a description: the name of its delegate}.
DELEGATES = {"xnnpack": "XNNPACK", "coreml": "Core ML"}
#: {form of the states: where they are kept between two frames}.
STATE_FORMS = {"io": "", "native": ", kept by the runtime", "buffer": ", kept in buffers of the program"}


def model_facts(spec: StreamSpec) -> Facts:
    """Return the names of the model and of its weights, and what everybody who uses the model must know."""
    facts: Facts = [("model", spec.model.name), ("weights", spec.weights.source)]
    if not spec.weights.trained:
        facts.append(("", UNTRAINED))
    return [*facts, *note_facts(spec.notes), *(("FAILED PARITY", problem) for problem in spec.problems)]


def note_facts(notes: Sequence[str]) -> Facts:
    """Return the notes of a description."""
    return [("note", note) for note in notes]


def graph_facts(spec: StreamSpec) -> Facts:
    """Return the operators that the runtime executes, and the share of them that a delegate executes."""
    graph = spec.graph
    if graph is None:
        return []
    facts: Facts = [("operators", _counts(graph.operators))] if graph.operators else []
    if graph.delegated is not None:
        name = f"the NPU of {spec.chip}" if spec.chip else DELEGATES.get(graph.backend or "", graph.backend)
        on = f"on {name}" if name else "delegated"
        parts = "" if graph.partitions is None else f", {graph.partitions} partition{'s' * (graph.partitions != 1)}"
        facts.append(("delegate", f"{graph.delegated:.0%} of operators {on}{parts}"))
    if graph.outside:
        facts.append(("not delegated", _counts(graph.outside)))
    return facts


def state_fact(spec: StreamSpec) -> tuple[str, str]:
    """Return the number and size of the states, and where they are kept; for a clip, its frames and its hop."""
    if spec.mode == "clip":
        return "clip", f"{spec.frames} frames at once; on a camera, a new answer every {spec.hop} frames"
    each = f", for {spec.batch} cameras in one call" if spec.batch > 1 else ""
    return "state", f"{len(spec.states)} tensors, {size_text(spec.state_bytes)}{each}{STATE_FORMS[spec.state_form]}"


def sound_facts(sound: SoundSettings | None, clip: int | None = None) -> Facts:
    """Return the sound segment of a network; nothing if there is none.

    Args:
        sound: its settings.
        clip: number of frames of a clip artifact; None: a checkpoint, or an artifact for streams.
    """
    if sound is None:
        return []
    frames = f"the newest {sound.frames} frames" if sound.frames > 1 else "the newest frame"
    beside = f"{frames}, heard every {sound.every:g} s"
    if clip is not None:
        beside = f"the {clip} frames of a clip" + (f" ({sound.frames} in training)" if clip != sound.frames else "")
    norms = "batch norms of the frames" if sound.norms == "shared" else "separate batch norms"
    return [
        ("sound", f"the newest {sound.seconds:g} s beside {beside}"),
        ("", f"weight {sound.weight:g}, where each frame has the weight 1; {norms}"),
    ]


def rule_facts(spec: StreamSpec) -> Facts:
    """Return the event rule, and where it comes from."""
    from edgeshift.events.default_rule import rule_of
    from edgeshift.events.spotter import describe_rule, unit_of

    rule = rule_of(spec)
    return [
        ("event rule", describe_rule(rule, spec.labels, unit_of(spec.hop))),
        ("  origin", rule.origin or "the weights file"),
    ]


def calibration_facts(spec: StreamSpec) -> Facts:
    """Return the clips that chose the ranges of an int8 artifact."""
    calibration = spec.calibration
    return [] if calibration is None else [("calibration", f"{calibration.source}, {calibration.samples} samples")]


def float_layer_facts(spec: StreamSpec) -> Facts:
    """Return the layers that an int8 artifact computes in float."""
    return [("layers in float", ", ".join(spec.float_layers))] if spec.float_layers else []


def inputs_of(spec: StreamSpec) -> str:
    """Return what one call of the graph takes, in the plural: frames, or windows of a clip."""
    return "frames" if spec.mode == "stream" else f"windows of {spec.frames} frames"


def parity_facts(parity: ParitySpec, spec: StreamSpec, *, passed: bool = True) -> Facts:
    """Return the result of comparing the artifact with the original.

    Args:
        parity: the comparison.
        spec: description of the artifact, whose precision decides the words for a comparison that passed.
        passed: whether the comparison passed.
    """
    verdict = PASSED[spec.precision] if passed else "FAILED"
    clip = spec.mode == "clip"
    items = "windows" if clip else "frames"
    steps = "" if parity.steps is None else f" ({parity.steps:.0f} quantization steps)"
    return [
        ("parity", f"checked against {parity.reference} over {parity.frames} {inputs_of(spec)}: {verdict}"),
        *([("  executed by", parity.runtime)] if parity.runtime else []),
        ("  largest error", f"{parity.max_error:.2g} of the logit range{steps}"),
        ("  cosine", f"{parity.cosine:.6f}"),
        ("  top-1", f"{parity.top1:.0%} of {items} agree, {parity.top1_clear:.0%} without near ties"),
        *([] if clip else [("  largest state error", f"{parity.state_error:.2g} standard deviations")]),
        *_original_facts(parity, clip=clip),
        *([] if parity.sound is None else _sound_parity_facts(parity.sound, "answers" if clip else "frames")),
        *([] if clip else [("  drift", f"{parity.drift:.2f}x (error of the last eight frames over the first eight)")]),
    ]


def _sound_parity_facts(sound: SoundParitySpec, items: str) -> Facts:
    def text(error: float, angle: float, top1: float, compared: str) -> str:
        return f"largest error {error:.2g} of the logit range, cosine {angle:.6f}, {top1:.0%} of {compared} agree"

    return [
        ("  sounds alone", text(sound.max_error, sound.cosine, sound.top1, f"{sound.sounds} drawn sounds")),
        ("  with sound", text(sound.fused_error, sound.fused_cosine, sound.fused_top1, items)),
    ]


def _original_facts(parity: ParitySpec, *, clip: bool) -> Facts:
    if parity.original_error is None:
        return []
    errors = f"largest error {parity.original_error:.2g} of the logit range"
    states = "" if clip else f", states {parity.original_state_error:.2g} standard deviations"
    return [("  unrounded original", errors + states)]


def _counts(operators: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in operators.items())
