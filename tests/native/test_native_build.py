"""The native runtime as it is built: its version, the symbols it exports, and its tests in C++ with each sanitizer."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from fuzz_seeds import main as write_seeds

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "runtimes" / "native"


@pytest.mark.parametrize("preset", ["native", "native-asan", "native-tsan"])
def test_the_tests_in_cpp_pass(native_build, preset):
    done = subprocess.run(["ctest", "--output-on-failure"], cwd=native_build(preset), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "100% tests passed" in done.stdout


def test_the_library_exports_only_its_c_functions(native_build):
    listed = subprocess.run(
        ["nm", "--dynamic", "--defined-only", native_build() / "libedgeshift.so"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert [line for line in listed.splitlines() if not line.split()[-1].startswith("es_")] == []


def test_the_header_and_the_program_of_the_guide_are_c(tmp_path):
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed, which compiles C")
    [program] = re.findall(r"```c\n(.*?)```", (ROOT / "docs" / "guide" / "native-cpp.md").read_text(), re.DOTALL)
    (tmp_path / "program.c").write_text(program)
    options = ["-x", "c", "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"]
    for path in (SOURCES / "include" / "edgeshift" / "edgeshift.h", tmp_path / "program.c"):
        command = ["gcc", *options, f"-I{SOURCES / 'include'}", path]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_the_version_is_that_of_the_python_package():
    [version] = re.findall(r"project\(edgeshift VERSION (\S+)", (SOURCES / "CMakeLists.txt").read_text())
    assert version == importlib.metadata.version("edgeshift")


def test_every_source_file_is_built():
    listed = set(re.findall(r"src/\w+\.cpp", (SOURCES / "CMakeLists.txt").read_text()))
    assert listed == {f"src/{path.name}" for path in (SOURCES / "src").glob("*.cpp")}


@pytest.mark.slow
def test_the_fuzz_targets_accept_their_seeds(native_build, tmp_path):
    """``make native-fuzz`` runs them for longer."""
    write_seeds(tmp_path)
    for target in ("fuzz_artifact", "fuzz_description"):
        program = native_build("native-fuzz") / "fuzz" / target
        done = subprocess.run([program, "-runs=2000", "-timeout=10", tmp_path / target], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.slow
def test_the_tests_in_cpp_pass_on_aarch64():
    for program in ("make", "aarch64-linux-gnu-g++", "qemu-aarch64-static", "apt-get"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed, which builds or runs the native runtime for aarch64")
    unpacked = subprocess.run([SOURCES / "aarch64_zlib.sh", ROOT / "build" / "aarch64"], capture_output=True, text=True)
    if unpacked.returncode:
        pytest.skip(f"zlib for aarch64 could not be downloaded: {unpacked.stderr[-200:]}")
    done = subprocess.run(["make", "build/native-aarch64"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "100% tests passed" in done.stdout, (done.stdout + done.stderr)[-4000:]
