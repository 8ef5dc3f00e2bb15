"""Code that several runtimes share."""

from __future__ import annotations

import importlib
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from edgeshift.runtimes.native import empty_package, package_version, without_packages


def test_the_version_of_a_package_without_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some systems for boards install packages so."""
    assert package_version("numpy") == np.__version__
    assert package_version("no-such-runtime") == "unknown"
    module = types.ModuleType("no_such_runtime")
    monkeypatch.setitem(sys.modules, "no_such_runtime", module)
    assert package_version("no-such-runtime") == "unknown"
    monkeypatch.setattr(module, "__version__", "2.5", raising=False)
    assert package_version("no-such-runtime") == "2.5"


def test_a_package_can_be_empty_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "slow_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise ImportError('slow')")
    (folder / "part.py").write_text("value = 3")
    monkeypatch.syspath_prepend(str(tmp_path))
    with empty_package("slow_package"):
        assert importlib.import_module("slow_package.part").value == 3
    assert not [name for name in sys.modules if name.startswith("slow_package")]
    with empty_package("slow_package"), empty_package("numpy"), empty_package("no_such_package"):
        assert sys.modules["numpy"] is np
    (folder / "__init__.py").write_text("whole = True")
    assert importlib.import_module("slow_package").whole


def test_packages_can_be_hidden_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "heavy_package.py").write_text("value = 3")
    monkeypatch.syspath_prepend(str(tmp_path))
    with without_packages("numpy", "heavy_package"):
        assert importlib.import_module("numpy") is np  # it was imported before
        with pytest.raises(ImportError):
            importlib.import_module("heavy_package")
    assert importlib.import_module("heavy_package").value == 3


@pytest.mark.slow
def test_running_a_program_does_not_import_the_exporter(made) -> None:
    """ExecuTorch's exporter is imported in 2.5 s, and running needs none of it. A conversion can still import it."""
    path = made("tsm", "fp32", "executorch").path
    code = (
        "import sys, numpy as np, edgeshift\n"
        f"stream = edgeshift.load({str(path)!r}).stream()\n"
        "stream.step(np.zeros((64, 64, 3), np.uint8))\n"
        "assert not [name for name in sys.modules if name.startswith('executorch.exir')]\n"
        "from executorch.exir import to_edge, _warnings\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_trial_of_a_core_ml_package_does_not_import_pytorch(made) -> None:
    path = made("tsm", "fp32", "coreml").path
    code = (
        "import sys\n"
        "from edgeshift.runtimes.trial import main\n"
        f"assert main([{str(path)!r}, 'mil']) == 0 and 'coremltools' in sys.modules\n"
        "assert not {'torch', 'sklearn', 'scipy', 'transformers'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
