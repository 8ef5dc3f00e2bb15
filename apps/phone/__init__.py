"""The phone as a device, with nothing installed: a page over the local network that runs, shows and times an artifact.

    job = Job(file="gestures.tflite", modes={"quick": Length(steps=128, seconds=10.0, repeats=3)}, mode="quick")
    for posted in serve(read_phone_artifact(path), job, frames):
        ...                                # Hello, Checked, Announced, Measured, ..., and at last Ended

Needs no torch and no runtime: what runs the artifact is the phone's browser.
"""

from edgeshift.apps.phone.job import Frames, Job, Length, read_phone_artifact
from edgeshift.apps.phone.posted import (
    Announced,
    Checked,
    Done,
    Ended,
    Hello,
    Measured,
    Point,
    Posted,
    Trouble,
    Watched,
)
from edgeshift.apps.phone.service import Reach, Site, serve

__all__ = [
    "Announced",
    "Checked",
    "Done",
    "Ended",
    "Frames",
    "Hello",
    "Job",
    "Length",
    "Measured",
    "Point",
    "Posted",
    "Reach",
    "Site",
    "Trouble",
    "Watched",
    "read_phone_artifact",
    "serve",
]
