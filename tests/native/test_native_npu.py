"""The native runtime and graphs that are compiled for an NPU (``convert --aot``). No NPU is here, so none is run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from dispatched import dispatched

from edgeshift.artifact.file import read_artifact, write_artifact
from edgeshift.artifact.spec import GraphSpec
from edgeshift.benchmarks.studies.native_library import NativeLibrary, litert_library
from edgeshift.errors import EdgeshiftError

#: A library in place of a vendor's: it writes a file when LiteRT opens it.
SOURCE = """
#include <stdio.h>
__attribute__((constructor)) static void opened(void) {{ fclose(fopen("{mark}", "w")); }}
"""


@pytest.fixture
def compiled(made, tmp_path: Path) -> Path:
    """An artifact whose graph is one DISPATCH_OP."""
    plain = read_artifact(made("tsm", "int8", "tflite").path)
    path = tmp_path / "a.tflite"
    graph = GraphSpec(operators={"DISPATCH_OP": 1}, partitions=1, delegated=1.0, backend="npu Qualcomm SM8650")
    write_artifact(path, dispatched(plain.body), msgspec.structs.replace(plain.spec, graph=graph))
    return path


def test_a_computer_says_where_it_runs(native_build: Callable[..., Path], compiled: Path) -> None:
    native = NativeLibrary(native_build() / "libedgeshift.so")
    with pytest.raises(EdgeshiftError, match=r"compiled for the NPU of Qualcomm SM8650, and LiteRT cannot") as caught:
        native.open(compiled)
    assert "\n" not in str(caught.value) and "libLiteRtDispatch_*.so" in str(caught.value)


def test_the_vendors_library_is_looked_for_beside_litert(
    native_build: Callable[..., Path], compiled: Path, made, tmp_path: Path
) -> None:
    """On a phone, both are in the folder of the app's libraries."""
    native = NativeLibrary(native_build() / "libedgeshift.so")
    folder, mark = tmp_path / "libraries", tmp_path / "mark"
    folder.mkdir()
    shutil.copy(litert_library(), folder / "libLiteRt.so")
    source = tmp_path / "dispatch.c"
    source.write_text(SOURCE.format(mark=mark))
    subprocess.run(["gcc", "-shared", "-fPIC", source, "-o", folder / "libLiteRtDispatch_Test.so"], check=True)
    native.open(made("tsm", "int8", "tflite").path, library=folder / "libLiteRt.so")
    assert not mark.exists(), "a graph for the CPU opens no library of a vendor"
    with pytest.raises(EdgeshiftError, match="compiled for the NPU of Qualcomm SM8650"):
        native.open(compiled, library=folder / "libLiteRt.so")
    assert mark.exists()
