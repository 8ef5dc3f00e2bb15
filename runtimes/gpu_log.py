"""What LiteRT's GPU accelerator writes to its log, and tells in no other way: the GPU, and the operators it refuses.

... Selected adapter: SwiftShader Device (Subzero), arch=swiftshader, vendor=google, backend=Vulkan, ...
ERROR: Following operations are not supported by GPU delegate:
DIV: No support of few identical inputs in the same operation.
2 operations will run on the GPU, and the remaining 2 operations will run on the CPU.
"""

from __future__ import annotations

import re

ADAPTER = re.compile(r"Selected adapter: (?P<name>.+?), arch=.*?backend=(?P<backend>\w+)")
REFUSED = re.compile(r"operations are not supported by GPU delegate:\s*\n(?P<lines>(?:[A-Z][A-Z0-9_]*: .*\n)+)")
#: Longest name of a GPU, and longest reason, in characters.
MAX_TEXT = 120


def find_adapter(log: str) -> str | None:
    """Return the name of the GPU and of its driver interface; None: the log does not name them.

    LiteRT writes them once for each process, when the first graph is compiled for the GPU.
    """
    found = ADAPTER.search(log)
    return None if found is None else f"{found['name'][:MAX_TEXT]}, {found['backend']}"


def find_refused(log: str) -> dict[str, str]:
    """Return {operator: why the GPU accelerator refuses it}."""
    refused: dict[str, str] = {}
    for block in REFUSED.finditer(log):
        for line in block["lines"].splitlines():
            operator, _, reason = line.partition(": ")
            refused.setdefault(operator, reason.strip().rstrip(".")[:MAX_TEXT])
    return refused
