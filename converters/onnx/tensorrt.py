"""TensorRT, through ONNX: a graph that the builder on a Jetson or another NVIDIA device takes.

The same graph as for ONNX Runtime, but for int8: TensorRT knows only zero point 0, and float biases. Frames, states and
logits are float32, and the first convolution stays in float (float16 where the device has it): 127 steps for 255 values
would lose a bit of every pixel. What is proven here is the file, run by ONNX Runtime; no engine was built here.
"""

from __future__ import annotations

from edgeshift.converters.job import Job, Lowered
from edgeshift.converters.onnx.quantize import Form
from edgeshift.converters.onnx.target import lower_as


def lower(job: Job) -> Lowered:
    """See ``edgeshift.converters.job.Converter``."""
    return lower_as(job, Form(float_boundary=True, symmetric=True))
