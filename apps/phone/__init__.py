"""Run, show and time an artifact in a phone's browser, with nothing installed on the phone.

A server on this machine sends a page and the artifact to the phone. The page runs the artifact and sends messages back:

    plan = TimingPlan(steps=128, seconds=10.0, repeats=3)
    job = PageJob(file="gestures.tflite", modes={"quick": plan}, mode="quick")
    for event in serve(read_phone_artifact(path), job, frames):
        ...  # events of edgeshift.apps.phone.messages: PageOpened, ..., and ServerStopped as the last one

This package imports neither torch nor a runtime, because the phone's browser runs the artifact.
"""

from edgeshift.apps.phone.clips import ClipFeed
from edgeshift.apps.phone.job import PageJob, TimingFrames, TimingPlan, read_phone_artifact
from edgeshift.apps.phone.service import PageAddress, ServerOptions, serve

__all__ = [
    "ClipFeed",
    "PageAddress",
    "PageJob",
    "ServerOptions",
    "TimingFrames",
    "TimingPlan",
    "read_phone_artifact",
    "serve",
]
