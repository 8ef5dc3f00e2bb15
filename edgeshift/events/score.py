"""How announcements of events compare with what happened."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edgeshift.events.spotter import Detection

if TYPE_CHECKING:
    from edgeshift.gestures import Event

#: Seconds after a stroke's end in which announcing it is right.
GRACE = 2.0


class EventScore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How announcements compare with what happened.

    Attributes:
        right: events that were announced. false: announcements of nothing. missed: events that were not announced.
        delays: seconds from the end of each announced stroke to its announcement; before the end they are negative.
        seconds: how long all of it took.
    """

    right: int = 0
    false: int = 0
    missed: int = 0
    delays: tuple[float, ...] = ()
    seconds: float = 0.0

    def __add__(self, other: EventScore) -> EventScore:
        return EventScore(
            self.right + other.right,
            self.false + other.false,
            self.missed + other.missed,
            self.delays + other.delays,
            self.seconds + other.seconds,
        )

    @property
    def precision(self) -> float | None:
        """Share of the announcements that are right; None: there were none."""
        announced = self.right + self.false
        return self.right / announced if announced else None

    @property
    def recall(self) -> float | None:
        """Share of the events that were announced; None: there were none."""
        events = self.right + self.missed
        return self.right / events if events else None

    @property
    def f1(self) -> float:
        """The harmonic mean of both; 0 where nothing is right."""
        return 2 * self.right / max(2 * self.right + self.false + self.missed, 1)

    @property
    def false_per_minute(self) -> float | None:
        """False alarms a minute; None: it took no time."""
        return 60 * self.false / self.seconds if self.seconds > 0 else None

    def delay(self, percent: float) -> float | None:
        """A percentile of the delays, seconds; None: there are none."""
        return float(np.percentile(self.delays, percent)) if self.delays else None


def match_events(spotted: Iterable[Detection], events: Iterable[Event], seconds: float) -> EventScore:
    """Compare a stream's announcements with what happened in it.

    One is right if its label is that of an event whose stroke is half done, and has been complete for no more than
    ``GRACE`` seconds; each event once. Events at an end of the stream, of which some of that time is not in it, count
    for nothing, nor do announcements of them.

    Args:
        spotted, events: of one stream, in any order, on one clock that begins with it.
        seconds: how long it is.
    """
    left = sorted(events, key=lambda event: event.end)
    inside = [event for event in left if event.begin >= 0 and event.end + GRACE <= seconds]
    false, delays = 0, []
    for one in sorted(spotted, key=lambda spotted: spotted.timestamp):
        for event in left:
            if one.label == event.label and (event.begin + event.end) / 2 <= one.timestamp <= event.end + GRACE:
                left.remove(event)
                if event in inside:
                    delays.append(one.timestamp - event.end)
                break
        else:
            false += 1
    return EventScore(len(delays), false, len(inside) - len(delays), tuple(delays), seconds)
