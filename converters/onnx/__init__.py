"""ONNX and TensorRT: lowering, int8 as pairs of quantize and dequantize operators, tensor layout.

This package imports the shared parts of ``converters`` and ONNX Runtime's session options, but no other target."""
