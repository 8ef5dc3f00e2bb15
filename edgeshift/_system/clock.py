"""The date of a report."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated

import msgspec

#: A date and time with its time zone, as ISO 8601 in JSON.
Date = Annotated[datetime, msgspec.Meta(tz=True)]


def now() -> datetime:
    """Return the present time in UTC, to the second."""
    return datetime.now(timezone.utc).replace(microsecond=0)


def date_text(date: datetime | None) -> str:
    """Return a date for people: 2026-11-27 08:45 UTC."""
    return "not recorded" if date is None else f"{date.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC"
