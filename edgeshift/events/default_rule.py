"""The event rule of a model for which none was chosen. It never announces a label on the first frame.

The values were chosen on 24 drawn minutes and on 188 filmed clips (``docs/lab/training.md``):

- With a label for no gesture, a mean over one second tells that a gesture is complete, and a memory of three seconds
  tells which one it was. Frames are trained to show a gesture only for about a second after its end, so a longer window
  would miss most gestures.
- Without such a label, the network always names a gesture, and is often sure of a wrong one for a second. Therefore
  one label must lead over three seconds, which is about the length of a clip in public data sets.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edgeshift.artifact.description import NONE, ModelDescription, RuleSpec

#: Seconds of the window with and without a label for no gesture, and of the memory with one.
SHORT_WINDOW, LONG_WINDOW, MEMORY = 1.0, 3.0, 3.0
SHORT_THRESHOLD, LONG_THRESHOLD, HOLD_OFF = 0.4, 0.5, 1.0
#: Number of frames of a window if the frame spacing is not known, and smallest number. A window of three frames cannot
#: reach either threshold on its first frame, because frames before the first one count as 0.
FRAMES, MIN_FRAMES = 8, 3
MAX_FRAMES = 1024
#: Labels of public data sets (Jester) that are not gestures.
NOT_GESTURES = ("No gesture", "Doing other things")
#: End of the origin of a rule that counts the answers of a clip artifact instead of frames.
IN_ANSWERS = ", counted in answers of clips"
ORIGIN = "edgeshift's default; edgeshift rule chooses one on your own videos"


def default_rule(labels: Sequence[str], frame_spacing: float | None = None, clip_frames: int | None = None) -> RuleSpec:
    """Return the default rule.

    Args:
        labels: the labels of the model.
        frame_spacing: seconds between two frames; None: not known.
        clip_frames: number of frames of a training clip, of which a window needs no more; None: not known.
    """

    def frames(seconds: float) -> int:
        count = (clip_frames or FRAMES) if frame_spacing is None else round(min(seconds / frame_spacing, MAX_FRAMES))
        return max(MIN_FRAMES, min(count, clip_frames or MAX_FRAMES, MAX_FRAMES))

    if NONE in labels:
        return RuleSpec(
            window=frames(SHORT_WINDOW),
            threshold=SHORT_THRESHOLD,
            hold_off=HOLD_OFF,
            none=NONE,
            memory=frames(MEMORY),
            origin=ORIGIN,
        )
    silent = tuple(label for label in NOT_GESTURES if label in labels)
    return RuleSpec(
        window=frames(LONG_WINDOW),
        threshold=LONG_THRESHOLD,
        hold_off=HOLD_OFF,
        silent=silent if len(silent) < len(labels) else (),
        origin=ORIGIN,
    )


def rule_of(description: ModelDescription) -> RuleSpec:
    """Return the event rule of a model, or the default rule if none was chosen for it."""
    if description.rule is not None:
        return description.rule
    return default_rule(description.labels, description.frame_spacing, description.clip_frames)


def rule_for_artifact(description: ModelDescription, hop: int | None = None) -> RuleSpec:
    """Return the event rule of an artifact: that of the weights, or the default rule. Its origin is not empty.

    Args:
        description: what is known about the weights.
        hop: for a clip artifact, number of frames from one answer to the next. Numbers of frames in the rule become
            numbers of answers, because a rule counts predictions.
    """
    rule = rule_of(description)
    origin = rule.origin or "the weights file"
    if hop is None:
        return msgspec.structs.replace(rule, origin=origin)
    return msgspec.structs.replace(_scaled(rule, 1 / hop), origin=f"{origin}{IN_ANSWERS}")


def rule_in_frames(rule: RuleSpec, hop: int) -> RuleSpec:
    """Return the rule of a clip artifact with numbers of frames in place of numbers of answers, as convert takes it."""
    return msgspec.structs.replace(_scaled(rule, hop), origin=rule.origin.removesuffix(IN_ANSWERS))


def _scaled(rule: RuleSpec, factor: float) -> RuleSpec:
    memory = None if rule.memory is None else max(1, min(4096, round(rule.memory * factor)))
    return msgspec.structs.replace(rule, window=max(1, min(MAX_FRAMES, round(rule.window * factor))), memory=memory)
