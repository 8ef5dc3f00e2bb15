"""The frames of a clip that a network sees if it takes a fixed number of them."""

from __future__ import annotations


def segment_middles(total: int, count: int) -> list[int]:
    """Return the index of the middle frame of each of ``count`` equal segments of a clip (the test sampling of TSN).

    If the clip has fewer frames than segments, some indices are repeated.

    Args:
        total: number of frames of the clip, at least 1.
        count: number of segments.
    """
    return [int((segment + 0.5) * total / count) for segment in range(count)]
