"""ExecuTorch: export, quantization, delegation, and reading the finished program."""
