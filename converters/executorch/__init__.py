"""ExecuTorch: export, quantization, delegation, and reading the finished program.

This package imports the shared parts of ``converters``, but no other target."""
