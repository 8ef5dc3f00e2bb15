"""Compile the Kotlin classes that need no Android, and the native library under them, for the Java of this machine."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ANDROID = ROOT / "runtimes" / "native" / "android" / "edgeshift" / "src"
TESTS = Path(__file__).parent / "kotlin"
#: Compiler and classes, which later test runs use again.
BUILD = ROOT / "build" / "kotlin"
PROGRAMS = ("java", "javac", "npm", "node", "cmake", "g++")
#: The classes that need no Android: those of the package itself.
CORE = [*sorted((ANDROID / "main/kotlin/dev/edgeshift").glob("*.kt")), ANDROID / "shared/kotlin"]
#: Those of dev.edgeshift.android are compiled with stubs of the few classes of Android and CameraX that they use.
SOURCES = [*CORE, ANDROID / "main/kotlin/dev/edgeshift/android", TESTS]


def build() -> tuple[str, Path]:
    """Compile what has changed. Return Java's class path, and the folder of the native library."""
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}; apt-get install openjdk-17-jdk-headless npm cmake g++")
    jdk = Path(shutil.which("javac") or "").resolve().parents[1]
    if not (jdk / "include" / "jni.h").is_file():
        pytest.skip(f"{jdk} has no include/jni.h, so it is not a complete JDK")
    with locked():
        compiler = install_compiler()
        libraries = [compiler / "lib" / name for name in ("kotlin-stdlib.jar", "kotlinx-coroutines-core-jvm.jar")]
        classes = compile_kotlin(compiler, libraries)
        return ":".join(map(str, [classes, *libraries])), compile_native(jdk)


@contextmanager
def locked() -> Iterator[None]:
    """Wait until no other process of the test run builds."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install_compiler() -> Path:
    """Return the folder of JetBrains' compiler, which is a package of npm."""
    wanted = json.loads((TESTS / "package.json").read_text())["dependencies"]["kotlin-compiler"]
    folder = BUILD / "node_modules" / "kotlin-compiler"
    package = folder / "package.json"
    if not package.is_file() or json.loads(package.read_text())["version"] != wanted:
        shutil.copy(TESTS / "package.json", BUILD)
        command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
        done = subprocess.run(command, cwd=BUILD, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"Kotlin's compiler could not be installed: {done.stderr.strip()[-300:]}")
    return folder


def compile_kotlin(compiler: Path, libraries: list[Path]) -> Path:
    """Compile the sources, unless they are those of the last time. Warnings are errors."""
    files = [file for source in SOURCES for file in ([source] if source.is_file() else sorted(source.rglob("*.kt")))]
    state = hashlib.sha256(b"".join(file.read_bytes() for file in [*files, TESTS / "package.json"])).hexdigest()
    classes, stamp = BUILD / "classes", BUILD / "classes.sha256"
    if stamp.is_file() and stamp.read_text() == state and classes.is_dir():
        return classes
    stamp.unlink(missing_ok=True)
    shutil.rmtree(classes, ignore_errors=True)
    lib = compiler / "lib"
    loader = ["java", "-Xmx1g", "-cp", lib / "kotlin-preloader.jar", "org.jetbrains.kotlin.preloading.Preloader"]
    program = ["-cp", lib / "kotlin-compiler.jar", "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"]
    options = ["-no-reflect", "-Werror", "-jvm-target", "17", "-cp", ":".join(map(str, libraries)), "-d", classes]
    command = [str(part) for part in [*loader, *program, *options, *files]]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    stamp.write_text(state)
    return classes


def compile_native(jdk: Path) -> Path:
    """Build the native library with CMake, and return its folder."""
    folder = ROOT / "build" / "jni"
    configure = ["cmake", "-S", str(ANDROID / "main" / "cpp"), "-B", str(folder), f"-DEDGESHIFT_JDK={jdk}"]
    for command in (configure, ["cmake", "--build", str(folder), "--parallel", str(os.cpu_count())]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder
