"""ExecuTorch: export, PT2E quantization, delegation, and reading the finished program."""
