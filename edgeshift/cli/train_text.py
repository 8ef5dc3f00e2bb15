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
    """Return the accuracy over gestures."""
    from edgeshift.benchmarks.statistics import share

    counts = share(round(check.right), round(check.gestures))
    if counts.low is None or counts.high is None:
        return "no gestures"
    interval = f"{counts.low:.1%} to {counts.high:.1%}, {counts.count} of {counts.total}"
    return f"{check.gesture_accuracy:.1%} of gestures ({interval})"


def validation_document(check: Sums) -> dict[str, Any]:
    """Return a validation for JSON output."""
    from edgeshift.benchmarks.statistics import share

    return {
        "loss": check.loss,
        "frame_accuracy": check.frame_accuracy,
        "frame_accuracy_interval": _frame_interval(check),
        "gesture_accuracy": check.gesture_accuracy,
        "gestures": share(round(check.right), round(check.gestures)),
    }


def _frame_interval(check: Sums) -> tuple[float, float]:
    from edgeshift.benchmarks.statistics import wilson

    return wilson(check.frame_accuracy, max(1.0, check.independent_frames))
