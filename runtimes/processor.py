"""The processor features that LiteRT's compiled model needs on aarch64, when Python runs it.

LiteRT's Python package opens its library for GPUs (libLiteRtWebGpuAccelerator.so) before it runs a compiled model, and
has no option against it. On a processor without these features (such as the Cortex-A72 of a Raspberry Pi 4, which has
no atomics), that library ends the process with an illegal instruction, so the features are checked first. Seen with
LiteRT 2.1.6 and 2.3.0 under qemu. LiteRT's Interpreter runs on all aarch64 processors, and so does the native runtime
(runtimes/native), which does not open the library for GPUs.
"""

from __future__ import annotations

import platform
from pathlib import Path

#: The features, as /proc/cpuinfo names them. LiteRT reports a missing one as "compiled with ... not available".
REQUIRED_FEATURES = {"aes", "atomics", "asimddp", "asimdhp", "asimdrdm", "crc32", "lrcpc", "sha2"}


def runs_compiled_model(root: Path = Path("/")) -> bool:
    """Return True if LiteRT's compiled model runs on this processor. root: root of the file system, for tests."""
    return platform.machine() != "aarch64" or _features(root) >= REQUIRED_FEATURES


def _features(root: Path) -> set[str]:
    """Return the features of the first processor; empty: they cannot be read."""
    try:
        text = (root / "proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return set()
    line = next((line for line in text.splitlines() if line.startswith("Features")), "")
    return set(line.partition(":")[2].split())
