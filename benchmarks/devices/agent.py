"""The agent: one file that runs on a device with Python, numpy and a runtime, and nothing of edgeshift installed.

It is a zipapp of edgeshift's own modules: the worker (``edgeshift.benchmarks.latency.worker``) and what it imports,
found by reading the imports, so that a module the worker comes to need is in it too.
"""

from __future__ import annotations

import ast
import importlib.util
import zipfile
from collections.abc import Iterator
from pathlib import Path

from edgeshift._system.files import atomic_write
from edgeshift.targets import RUNTIMES

WORKER = "edgeshift.benchmarks.latency.worker"
STANDIN = "edgeshift.benchmarks.devices.standin"
#: The date of every entry: the same modules give the same bytes, and a device that has them is not sent them again.
DATE = (1980, 1, 1, 0, 0, 0)
MAIN = """\
import sys
if sys.version_info < (3, 10):
    sys.exit("edgeshift: the agent needs Python 3.10 or later, not " + sys.version.split()[0])
try:
    import numpy
except ImportError:
    sys.exit("edgeshift: the agent needs numpy: pip install numpy (" + sys.executable + ")")
try:
    import msgspec
except ImportError:
    import edgeshift.benchmarks.devices.standin as msgspec
    sys.modules["msgspec"] = msgspec
from edgeshift.benchmarks.latency.worker import main
sys.exit(main())
"""


def build_agent(path: Path) -> None:
    """Write the agent: about 100 kB."""
    # Runtimes are loaded by name, so that no import shows them.
    names = sorted(modules(WORKER, STANDIN, *(runtime.module for runtime in RUNTIMES.values() if runtime.on_boards)))
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as file:
        _write(file, "__main__.py", MAIN.encode())
        for name in names:
            source = _source(name)
            assert source is not None
            inside = name.replace(".", "/") + ("/__init__.py" if source.name == "__init__.py" else ".py")
            _write(file, inside, source.read_bytes())


def modules(*names: str) -> set[str]:
    """These modules of edgeshift, the packages they are in, and all of edgeshift that any of them imports."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name in found or _source(name) is None:
            continue
        found.add(name)
        todo.extend(_imports(name))
        if "." in name:
            todo.append(name.rpartition(".")[0])
    return found


def _imports(name: str) -> Iterator[str]:
    """What a module imports of edgeshift when it is imported: not inside functions, nor for type checkers alone."""
    source = _source(name)
    assert source is not None
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
    """The file of a module; None: there is no such module of ours."""
    try:
        spec = importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):
        return None
    if spec is None or spec.origin is None or not name.startswith("edgeshift"):
        return None
    return Path(spec.origin)


def _write(file: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    file.writestr(info, data)
