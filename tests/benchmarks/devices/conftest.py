"""Fixtures: a Python as on a board, with only numpy, msgspec and one runtime, and a board behind a real sshd."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

#: The packages of the board's Python: names of their files, folders and metadata.
PACKAGES = (
    "numpy",
    "msgspec",
    "ai_edge_litert",
    "backports",
    "flatbuffers",
    "ml_dtypes",
    "google",
    "typing_extensions",
)


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a program ``python3`` that has no edgeshift, torch and OpenCV, in a new folder."""
    if importlib.util.find_spec("ai_edge_litert") is None:
        pytest.skip("ai-edge-litert is not installed")
    folder = tmp_path_factory.mktemp("board")
    packages, programs = folder / "packages", folder / "bin"
    packages.mkdir()
    programs.mkdir()
    site = Path(importlib.util.find_spec("numpy").origin).parents[1]  # type: ignore[union-attr,arg-type]
    for part in site.iterdir():
        name = part.name.lower().split("-")[0].split(".")[0]
        if name in PACKAGES:
            (packages / part.name).symlink_to(part)
    program = programs / "python3"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{packages}" exec "{sys._base_executable}" -S "$@"\n')  # type: ignore[attr-defined]
    program.chmod(0o755)
    check = "import importlib.util as i; print([n for n in ('edgeshift', 'torch', 'cv2') if i.find_spec(n)])"
    done = subprocess.run([program, "-c", check], capture_output=True, text=True, check=True, cwd=folder)
    assert done.stdout.strip() == "[]"
    return program


@pytest.fixture
def sshd(tmp_path: Path, bare_python: Path):
    """Run a real sshd on loopback. Sessions start in a folder of the test, with ``bare_python`` on the PATH."""
    from sshd import Sshd

    if shutil.which("ssh") is None or Sshd.program() is None:
        pytest.skip("OpenSSH's client or server is not installed (Debian: openssh-client, openssh-server)")
    server = Sshd(tmp_path / "sshd", bare_python.parent)
    server.start()
    yield server
    server.stop()
