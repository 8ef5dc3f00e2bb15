"""Libraries of LiteRT that the native runtime cannot use are an error before one of their functions is called."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeshift.benchmarks.studies.native_library import NativeLibrary
from edgeshift.errors import EdgeshiftError

ROOT = Path(__file__).parents[2]
ARTIFACT = ROOT / "tests" / "artifact" / "stored" / "version1_int8.tflite"


@pytest.fixture
def opened(native_build: Callable[..., Path], tmp_path: Path) -> Callable[[list[str]], str]:
    """Return a function that opens an artifact with a library that has these functions, and returns the error."""
    native = NativeLibrary(native_build() / "libedgeshift.so")

    def open_with(functions: list[str]) -> str:
        source, library = tmp_path / "library.c", tmp_path / "libLiteRt.so"
        source.write_text("void abort(void);\n" + "".join(f"void {name}(void) {{ abort(); }}\n" for name in functions))
        subprocess.run(["g++", "-x", "c", "-fno-builtin", "-shared", "-fPIC", source, "-o", library], check=True)
        with pytest.raises(EdgeshiftError) as caught:
            native.open(ARTIFACT, library=library)
        return str(caught.value)

    return open_with


def functions() -> list[str]:
    """Return the names of LiteRT's functions that the native runtime calls."""
    text = (ROOT / "runtimes" / "native" / "src" / "litert_api.hpp").read_text()
    return [f"LiteRt{name}" for name in re.findall(r"^    F\((\w+), ", text, re.MULTILINE)]


def test_a_library_of_litert_before_2_1_6_is_refused(opened) -> None:
    """It has all functions, but one takes other parameters."""
    assert "LiteRT's library is older than version 2.1.6" in opened(functions())


def test_a_library_without_a_function_is_refused(opened) -> None:
    assert "LiteRT's library has no function LiteRtRunCompiledModel" in opened(
        [name for name in functions() if name != "LiteRtRunCompiledModel"]
    )
