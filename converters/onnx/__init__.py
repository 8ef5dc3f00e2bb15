"""ONNX and TensorRT: lowering, int8 as pairs of quantize and dequantize operators, tensor layout.

Imports the shared parts of ``converters``, and ONNX Runtime's options; no other target."""
