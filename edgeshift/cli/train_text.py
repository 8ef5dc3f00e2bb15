"""How ``edgeshift train`` prints a validation: each share with its counts and its 95% interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeshift.training.history import Sums


def validation_texts(check: Sums) -> list[str]:
    """Return the accuracies of a validation, one text each."""
    return pairs_texts(check) if check.sounds else [frames_text(check), gestures_text(check)]


def pairs_texts(check: Sums) -> list[str]:
    """Return the accuracies of a network with a sound segment: of pairs, of gestures alone, and of sounds alone.

    Each gesture of a batch is paired with each sound, so an interval of the pairs counts gestures instead.
    """
    return [_share_text(name, *share) for name, share in _pair_shares(check).items()]


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
    from edgeshift.benchmarks.statistics import Share, wilson

    if check.sounds:
        shares = {
            name.replace(" ", "_"): Share(
                round(right), round(total), right / total, *wilson(right / total, independent)
            )
            for name, (right, total, independent) in _pair_shares(check).items()
        }
        return {"loss": check.loss, **shares}
    low, high = _gesture_interval(check) if check.gestures else (None, None)
    return {
        "loss": check.loss,
        "frame_accuracy": check.frame_accuracy,
        "frame_accuracy_interval": _frame_interval(check),
        "gesture_accuracy": check.gesture_accuracy,
        "gestures": Share(round(check.right), round(check.gestures), check.gesture_accuracy, low, high),
        "clips": check.clips or None,
    }


def _pair_shares(check: Sums) -> dict[str, tuple[float, float, float]]:
    """Return {name: (right, all, number of independent ones)}."""
    return {
        "pairs": (check.right, check.gestures, check.sounds),
        "gestures alone": (check.correct, check.counted, check.counted),
        "sounds alone": (check.heard, check.sounds, check.sounds),
    }


def _share_text(name: str, right: float, total: float, independent: float) -> str:
    from edgeshift.benchmarks.statistics import wilson

    low, high = wilson(right / total, independent)
    return f"{right / total:.1%} of {name} ({low:.1%} to {high:.1%}, {right:.0f} of {total:.0f})"


def _gesture_interval(check: Sums) -> tuple[float, float]:
    from edgeshift.benchmarks.statistics import wilson

    return wilson(check.gesture_accuracy, _independent_gestures(check))


def _independent_gestures(check: Sums) -> float:
    return min(check.gestures, check.clips) if check.clips else check.gestures


def _frame_interval(check: Sums) -> tuple[float, float]:
    from edgeshift.benchmarks.statistics import wilson

    frames = min(check.independent_frames, check.clips) if check.clips else check.independent_frames
    return wilson(check.frame_accuracy, max(1.0, frames))
