"""ONNX and TensorRT: lowering, int8 as pairs of quantize and dequantize operators, tensor layout."""
