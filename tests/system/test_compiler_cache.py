"""PyTorch's compiler leaves no folder among the temporary files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeshift._system.compiler_cache import VARIABLE, own_compiler_cache
from edgeshift.weights import all_shipped


def test_the_folder_is_in_the_cache_unless_the_user_has_chosen_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with own_compiler_cache():
        assert os.environ[VARIABLE] == str(tmp_path / "cache" / "edgeshift" / "torch")
    assert VARIABLE not in os.environ and not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))  # as on a system whose home cannot be written
    with own_compiler_cache():
        assert VARIABLE not in os.environ
    monkeypatch.setenv(VARIABLE, "mine")
    with own_compiler_cache():
        assert os.environ[VARIABLE] == "mine"
    assert os.environ[VARIABLE] == "mine"


@pytest.mark.slow
def test_a_command_that_loads_a_checkpoint_leaves_no_temporary_file(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    (tmp_path / "temporary").mkdir()
    environ = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environ |= {"TMPDIR": str(tmp_path / "temporary"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "edgeshift", "inspect", str(next(iter(all_shipped().values())))]
    subprocess.run(command, env=environ, check=True, capture_output=True, timeout=120)
    assert not list((tmp_path / "temporary").iterdir())
