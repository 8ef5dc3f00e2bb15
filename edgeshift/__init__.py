"""edgeshift runs temporal-shift video models on phones, Raspberry Pi and Jetson, one frame at a time.

import edgeshift

stream = edgeshift.load("tsm_mobilenet_v2_int8.tflite").stream()
print(stream.step(frame).label)            # frame: uint8 [H, W, 3] RGB, any size
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeshift.checkpoints.adoption import adopt
    from edgeshift.errors import EdgeshiftError
    from edgeshift.runtimes import load
    from edgeshift.stream import Model, Prediction, Stream, Timings

# ONNX Runtime reads this variable when it is imported. Without it, the import of version 1.31 creates $TMPDIR/.ses, or
# writes to the file that a link of this name points to, and leaves telemetry in ~/.cache/Microsoft. It is set here
# for every import: by runtimes, quantizers and exporters, in child processes, and in the agent on a device.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
__all__ = ["EdgeshiftError", "Model", "Prediction", "Stream", "Timings", "__version__", "adopt", "load"]

# Each name is imported when it is first used, so that `edgeshift --help` does not wait for numpy.
_MODULES = {
    "EdgeshiftError": "edgeshift.errors",
    **dict.fromkeys(("Model", "Prediction", "Stream", "Timings"), "edgeshift.stream"),
    "adopt": "edgeshift.checkpoints.adoption",
    "load": "edgeshift.runtimes",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'edgeshift' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
