"""Running a loaded artifact frame by frame: models, streams and predictions, and the checks over many frames."""

from __future__ import annotations

from edgeshift.stream.stream import Array, Executor, Fitted, Model, Prediction, Stream, Timings

__all__ = ["Array", "Executor", "Fitted", "Model", "Prediction", "Stream", "Timings"]
