"""Run artifacts frame by frame, and check them over many frames. Runtimes import this package, not the reverse."""

from __future__ import annotations

from edgeshift.stream.clip_stream import ClipStream
from edgeshift.stream.model import Model
from edgeshift.stream.stream import Array, Executor, Fitted, Prediction, Stream, Timings

__all__ = ["Array", "ClipStream", "Executor", "Fitted", "Model", "Prediction", "Stream", "Timings"]
