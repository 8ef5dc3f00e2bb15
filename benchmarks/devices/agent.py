"""Build the agent: one file that measures on a device that has Python, numpy, msgspec and a runtime.

The file is a zipapp of modules of edgeshift: the worker (``edgeshift.benchmarks.latency.worker``), the runtimes, and
everything that they import. The imports are read from the source, so the list of modules is never out of date.
"""

from __future__ import annotations

import ast
import importlib.util
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from edgeshift._system.files import atomic_write
from edgeshift.benchmarks.devices.device import Device
from edgeshift.targets import RUNTIMES, TARGETS

WORKER = "edgeshift.benchmarks.latency.worker"
#: The date of every entry. It is fixed, so that equal modules give an equal file, which is copied to a device once.
DATE = (1980, 1, 1, 0, 0, 0)
#: Code that exits with one line if a Python cannot run the agent. It must be valid in every version of Python.
CHECK = """\
import sys
if sys.version_info < (3, 10):
    sys.exit("edgeshift: the agent needs Python 3.10 or later: " + sys.executable + " is " + sys.version.split()[0])
import importlib.util
missing = [name for name in ("numpy", "msgspec") if importlib.util.find_spec(name) is None]
if missing:
    command = sys.executable + " -m pip install numpy msgspec"
    sys.exit("edgeshift: the agent needs " + " and ".join(missing) + ": run " + command)
"""
MAIN = f"{CHECK}from {WORKER} import main\nsys.exit(main())\n"


def build_agent(path: Path) -> None:
    """Write the agent, a file of about 100 kB."""
    # Runtimes and envelopes of artifacts are imported by name, so their imports cannot be read from the source.
    envelopes = {f"edgeshift.artifact.{target.envelope}" for target in TARGETS.values()}
    files = modules(WORKER, *envelopes, *(runtime.module for runtime in RUNTIMES.values() if runtime.on_boards))
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as file:
        _write(file, "__main__.py", MAIN.encode())
        for name, source in sorted(files.items()):
            entry = name.replace(".", "/") + ("/__init__.py" if source.name == "__init__.py" else ".py")
            _write(file, entry, source.read_bytes())


def push_agent(device: Device) -> str:
    """Copy the agent to a device, unless the device has it already, and return its path there."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "agent.pyz")
        build_agent(file)
        return device.push(file, file.name)


def modules(*names: str) -> dict[str, Path]:
    """Return {name: file} of the given modules, their packages, and every module of edgeshift that these import."""
    files: dict[str, Path] = {}
    todo = list(names)
    while todo:
        name = todo.pop()
        source = None if name in files else _source(name)
        if source is not None:
            files[name] = source
            todo += [*_imports(source), name.rpartition(".")[0]]
    return files


def _imports(source: Path) -> Iterator[str]:
    """Yield the names that a module imports from edgeshift. Imports in functions or for type checkers are skipped."""
    todo: list[ast.stmt] = list(ast.parse(source.read_bytes()).body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("edgeshift"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("edgeshift"):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            todo.extend(node.body)


def _source(name: str) -> Path | None:
    """Return the file of a module of edgeshift; None: there is no such module."""
    try:
        spec = importlib.util.find_spec(name) if name.startswith("edgeshift") else None
    except (ModuleNotFoundError, ValueError):
        return None
    return None if spec is None or spec.origin is None else Path(spec.origin)


def _write(file: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    file.writestr(info, data)
