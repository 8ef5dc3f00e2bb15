"""ExecuTorch: export, quantization, delegation, and reading the finished program.

Imports the shared parts of ``converters``; no other target."""
