"""What LiteRT's compiled model needs of an aarch64 processor, asked before it is touched.

On one that lacks it (a Raspberry Pi 4's Cortex-A72 has no atomics, for one) the library ends the process with an
illegal instruction: there is nothing to catch. Seen with 2.1.6 and 2.3.0 under qemu. Its Interpreter runs everywhere.
"""

from __future__ import annotations

import platform
from pathlib import Path

#: As its own words list it ("compiled with ... not available"), in Linux's names.
BUILT_FOR = {"aes", "atomics", "asimddp", "asimdhp", "asimdrdm", "crc32", "lrcpc", "sha2"}


def runs_compiled_model(root: Path = Path("/")) -> bool:
    """Whether this processor has what it needs. root: of the file system, for tests."""
    return platform.machine() != "aarch64" or _features(root) >= BUILT_FOR


def _features(root: Path) -> set[str]:
    """What the first processor has; empty: it cannot be read."""
    try:
        text = (root / "proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return set()
    line = next((line for line in text.splitlines() if line.startswith("Features")), "")
    return set(line.partition(":")[2].split())
