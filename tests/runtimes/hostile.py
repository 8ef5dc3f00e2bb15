"""Try many artifacts quickly: each is tried in a fork of one process that has imported the runtime.

    python tests/runtimes/hostile.py RUNTIME SECONDS FILE...

prints one JSON document per file: its name, the exit status (negative: the signal that ended it), and its output.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path

from edgeshift.runtimes.trial import main
from edgeshift.targets import RUNTIMES

HEAVY = {"executorch": ("torch", "executorch.runtime"), "mil": ("coremltools",), "tflite": ("ai_edge_litert",)}


def try_one(path: str, runtime: str, seconds: int) -> tuple[int, str]:
    """Return the exit status of a trial in a forked process, and what it printed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(seconds)
        os.dup2(writer, 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            status = main([path, runtime])
        except BaseException:
            traceback.print_exc(file=sys.stdout)
            status = 1
        sys.stdout.flush()
        os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as output:
        text = output.read(20_000).decode(errors="replace")
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), text


if __name__ == "__main__":
    runtime, seconds = sys.argv[1], int(sys.argv[2])
    importlib.import_module(RUNTIMES[runtime].module)
    for module in HEAVY.get(runtime, ()):
        importlib.import_module(module)
    for path in sys.argv[3:]:
        status, text = try_one(path, runtime, seconds)
        print(json.dumps([Path(path).name, status, text]), flush=True)
