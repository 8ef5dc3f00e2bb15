"""The target TensorRT: an ONNX graph that TensorRT's builder takes on a Jetson or another NVIDIA device.

The graph is the same as for ONNX Runtime, except in int8, where TensorRT supports only zero point 0 and float biases.
Frames, states and logits are float32. The first convolution stays in float (float16 where the device has it), because
255 pixel values would share 127 integers. The parity check runs the file with ONNX Runtime. No TensorRT engine has been
built from it so far.
"""

from __future__ import annotations

from edgeshift.converters.job import Job, Lowered
from edgeshift.converters.onnx.quantize import Form
from edgeshift.converters.onnx.target import lower_as


def lower(job: Job) -> Lowered:
    """See ``edgeshift.converters.job.Converter``."""
    return lower_as(job, Form(float_boundary=True, symmetric=True))
