"""Run, show and time an artifact in a phone's browser, with nothing installed on the phone.

A server on this machine gives the phone a page and the artifact. The page runs the artifact and sends back results:

    job = PageJob(
        file="gestures.tflite", modes={"quick": TimingPlan(steps=128, seconds=10.0, repeats=3)}, mode="quick"
    )
    for event in serve(read_phone_artifact(path), job, frames):
        ...  # PageOpened, SelfCheckResult, RepeatMeasured, ..., and ServerStopped as the last one

This package imports neither torch nor a runtime, because the phone's browser runs the artifact.
"""

from edgeshift.apps.phone.job import PageJob, TimingFrames, TimingPlan, read_phone_artifact
from edgeshift.apps.phone.messages import (
    CameraStopped,
    ErrorReported,
    Finished,
    GestureDetected,
    MinuteMeasured,
    PageOpened,
    PhoneEvent,
    RepeatMeasured,
    SelfCheckResult,
    ServerStopped,
)
from edgeshift.apps.phone.service import PageAddress, ServerOptions, serve

__all__ = [
    "CameraStopped",
    "ErrorReported",
    "Finished",
    "GestureDetected",
    "MinuteMeasured",
    "PageAddress",
    "PageJob",
    "PageOpened",
    "PhoneEvent",
    "RepeatMeasured",
    "SelfCheckResult",
    "ServerOptions",
    "ServerStopped",
    "TimingFrames",
    "TimingPlan",
    "read_phone_artifact",
    "serve",
]
