"""Score detections against the events that really happened."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edgeshift.events.spotter import Detection

if TYPE_CHECKING:
    from edgeshift.gestures import Event

#: Seconds after the end of a gesture during which a detection of it is correct.
GRACE = 2.0


class EventScore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Numbers of correct, false and missing detections. Scores of several streams can be added.

    Attributes:
        right: number of events that were detected.
        false: number of detections without an event.
        missed: number of events that were not detected.
        delays: seconds from the end of each detected gesture to its detection, negative if it came before the end.
        seconds: total duration of the streams.
    """

    right: int = 0
    false: int = 0
    missed: int = 0
    delays: tuple[float, ...] = ()
    seconds: float = 0.0

    def __add__(self, other: EventScore) -> EventScore:
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return EventScore(*(value + other_value for value, other_value in pairs))

    @property
    def precision(self) -> float | None:
        """Share of the detections that are correct; None: there were no detections."""
        detections = self.right + self.false
        return self.right / detections if detections else None

    @property
    def recall(self) -> float | None:
        """Share of the events that were detected; None: there were no events."""
        events = self.right + self.missed
        return self.right / events if events else None

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 if no detection is correct."""
        return 2 * self.right / max(2 * self.right + self.false + self.missed, 1)

    @property
    def false_per_minute(self) -> float | None:
        """False detections per minute; None: the streams have no duration."""
        return 60 * self.false / self.seconds if self.seconds > 0 else None

    def delay(self, percent: float) -> float | None:
        """Return a percentile of the delays in seconds; None: there were no correct detections."""
        return float(np.percentile(self.delays, percent)) if self.delays else None


def match_events(
    detections: Iterable[Detection], events: Iterable[Event], seconds: float, *, earliest: float = 0.5
) -> EventScore:
    """Score the detections of one stream.

    A detection is correct if an event has its label, and if it comes after the middle of this event (or after another
    share of it, ``earliest``), and at most ``GRACE`` seconds after its end. An event matches at most one detection.
    Events that are partly outside of the stream are not counted, and neither are detections of them.

    Args:
        detections: detections in any order, with times from the start of the stream.
        events: events in any order, with times from the start of the stream.
        seconds: duration of the stream.
        earliest: share of an event, 0 to 1, that must have passed before it can be detected.
    """
    unmatched = sorted(events, key=lambda event: event.end)
    counted = [event for event in unmatched if event.begin >= 0 and event.end + GRACE <= seconds]
    false, delays = 0, []
    for detection in sorted(detections, key=lambda detection: detection.timestamp):
        for event in unmatched:
            first = event.begin + earliest * (event.end - event.begin)
            in_time = first <= detection.timestamp <= event.end + GRACE
            if detection.label == event.label and in_time:
                unmatched.remove(event)
                if event in counted:
                    delays.append(detection.timestamp - event.end)
                break
        else:
            false += 1
    return EventScore(len(delays), false, len(counted) - len(delays), tuple(delays), seconds)
