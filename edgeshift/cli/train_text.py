"""How ``edgeshift train`` prints a validation: each share with its counts and its 95% interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeshift.training.history import Sums


def frames_text(check: Sums) -> str:
    """Return the accuracy over frames. Its interval takes into account that frames of a sequence are similar."""
    low, high = _frame_interval(check)
    return f"{check.frame_accuracy:.1%} of frames ({low:.1%} to {high:.1%}, {check.batches} batches)"


def gestures_text(check: Sums) -> str:
    """Return the accuracy over gestures. Clips that are shown several times count once in its interval."""
    if not check.gestures:
        return "no gestures"
    low, high = _gesture_interval(check)
    counts = f"{check.right:.0f} of {check.gestures:.0f}"
    repeated = f" from {check.clips} clips" if _independent_gestures(check) < check.gestures else ""
    return f"{check.gesture_accuracy:.1%} of gestures ({low:.1%} to {high:.1%}, {counts}{repeated})"


def validation_document(check: Sums) -> dict[str, Any]:
    """Return a validation for JSON output."""
    from edgeshift.benchmarks.statistics import Share

    low, high = _gesture_interval(check) if check.gestures else (None, None)
    return {
        "loss": check.loss,
        "frame_accuracy": check.frame_accuracy,
        "frame_accuracy_interval": _frame_interval(check),
        "gesture_accuracy": check.gesture_accuracy,
        "gestures": Share(round(check.right), round(check.gestures), check.gesture_accuracy, low, high),
        "clips": check.clips or None,
    }


def _gesture_interval(check: Sums) -> tuple[float, float]:
    from edgeshift.benchmarks.statistics import wilson

    return wilson(check.gesture_accuracy, _independent_gestures(check))


def _independent_gestures(check: Sums) -> float:
    return min(check.gestures, check.clips) if check.clips else check.gestures


def _frame_interval(check: Sums) -> tuple[float, float]:
    from edgeshift.benchmarks.statistics import wilson

    frames = min(check.independent_frames, check.clips) if check.clips else check.independent_frames
    return wilson(check.frame_accuracy, max(1.0, frames))
