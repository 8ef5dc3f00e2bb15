"""A conversion in another process, for tests that the same conversion gives the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CODE = """
import sys
from pathlib import Path
from edgeshift.checkpoints.source import untrained_source
from edgeshift.converters import convert
convert(untrained_source(sys.argv[1], size=64), sys.argv[2], Path(sys.argv[3]))
"""


def convert_again(model: str, target: str, path: Path) -> None:
    """Convert an untrained network at 64x64 in another process, with another hash seed."""
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", CODE, model, target, path], env=environment, check=True, capture_output=True)
