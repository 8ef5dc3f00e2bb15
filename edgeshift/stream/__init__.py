"""Run artifacts frame by frame, and check them over many frames. Runtimes import this package, not the reverse."""

from __future__ import annotations

from edgeshift.stream.stream import Array, Executor, Fitted, Model, Prediction, Stream, Timings

__all__ = ["Array", "Executor", "Fitted", "Model", "Prediction", "Stream", "Timings"]
