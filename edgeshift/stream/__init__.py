"""Running a loaded artifact frame by frame: models, streams, predictions, and checks over many frames.

Imports artifacts, events and video. Runtimes import this package, not the reverse. Needs no torch.
"""

from __future__ import annotations

from edgeshift.stream.stream import Array, Executor, Fitted, Model, Prediction, Stream, Timings

__all__ = ["Array", "Executor", "Fitted", "Model", "Prediction", "Stream", "Timings"]
