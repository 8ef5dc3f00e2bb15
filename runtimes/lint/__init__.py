"""Lint: rules about the graph of an artifact, which find what a phone's GPU or NPU refuses or gets wrong.

No graph is run. Each rule names the public issue or the vendor's page that it comes from. Imports what ``runtimes``
imports; neither torch nor a runtime is needed, except ai-edge-litert's schema to read .tflite and coremltools to read
.mlpackage.
"""

from __future__ import annotations

from edgeshift.runtimes.lint.check import Finding, check, devices_of, lint, read_graph
from edgeshift.runtimes.lint.rule import DEVICES, Device, Rule
from edgeshift.runtimes.lint.rules import RULES

__all__ = ["DEVICES", "RULES", "Device", "Finding", "Rule", "check", "devices_of", "lint", "read_graph"]
