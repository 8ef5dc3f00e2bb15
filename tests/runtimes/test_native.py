"""Code that several runtimes share."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from edgeshift.runtimes.native import package_version


def test_the_version_of_a_package_without_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some systems for boards install packages so."""
    assert package_version("numpy") == np.__version__
    assert package_version("no-such-runtime") == "unknown"
    module = types.ModuleType("no_such_runtime")
    monkeypatch.setitem(sys.modules, "no_such_runtime", module)
    assert package_version("no-such-runtime") == "unknown"
    monkeypatch.setattr(module, "__version__", "2.5", raising=False)
    assert package_version("no-such-runtime") == "2.5"
