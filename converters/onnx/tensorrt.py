"""The target TensorRT: an ONNX graph that TensorRT's builder takes on a Jetson or another NVIDIA device.

The graph is that for ONNX Runtime, except for int8: TensorRT supports only zero point 0, and float biases. Frames,
states and logits are float32. The first convolution stays in float (float16 where the device has it), because 127 steps
for 255 values would lose a bit of every pixel. The parity check runs the file with ONNX Runtime. No engine was built
when this was written.
"""

from __future__ import annotations

from edgeshift.converters.job import Job, Lowered
from edgeshift.converters.onnx.quantize import Form
from edgeshift.converters.onnx.target import lower_as


def lower(job: Job) -> Lowered:
    """See ``edgeshift.converters.job.Converter``."""
    return lower_as(job, Form(float_boundary=True, symmetric=True))
