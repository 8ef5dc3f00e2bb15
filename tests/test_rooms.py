"""Which rooms may import which others, which modules a board can import, and what is at the root of a package."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
#: {folder at the top of the repository: name by which it is imported}.
FOLDERS = {
    "edgeshift": "edgeshift",
    "converters": "edgeshift.converters",
    "runtimes": "edgeshift.runtimes",
    "benchmarks": "edgeshift.benchmarks",
    "apps": "edgeshift.apps",
}
#: Every room. A room is a package, or a module at the root of ``edgeshift``. It may import itself and the rooms before
#: it in this list, at the top of its modules and inside functions.
ORDER = (
    "edgeshift.errors",
    "edgeshift._system",
    "edgeshift.targets",
    "edgeshift.shift",
    "edgeshift.sound",
    "edgeshift.sound.drawn",
    "edgeshift.video",
    "edgeshift.gestures",
    "edgeshift.models",
    "edgeshift.artifact",
    "edgeshift.events",
    "edgeshift.stream",
    "edgeshift.weights",
    "edgeshift.checkpoints",
    "edgeshift.checkpoints.adoption",
    "edgeshift.training",
    "edgeshift.runtimes.mil",
    "edgeshift.runtimes",
    "edgeshift.runtimes.lint",
    "edgeshift.converters",
    "edgeshift.converters.quantization",
    "edgeshift.converters.tflite",
    "edgeshift.converters.onnx",
    "edgeshift.converters.coreml",
    "edgeshift.converters.executorch",
    "edgeshift.benchmarks",
    "edgeshift.benchmarks.devices",
    "edgeshift.benchmarks.latency",
    "edgeshift.benchmarks.accuracy",
    "edgeshift.benchmarks.reports",
    "edgeshift.apps",
    "edgeshift.apps.camera.sources",
    "edgeshift.apps.camera.microphones",
    "edgeshift.apps.camera.engine",
    "edgeshift.apps.camera.display",
    "edgeshift.apps.camera",
    "edgeshift.apps.phone",
    "edgeshift.cli",
    "edgeshift.benchmarks.studies",
)
#: Packages that a board does not need.
HEAVY = ("torch", "litert_torch", "ai_edge_quantizer", "onnx", "onnxscript", "executorch", "torchao", "coremltools")
#: The rooms of ``edgeshift`` that can be imported only with torch.
NEED_TORCH = ("edgeshift.models", "edgeshift.checkpoints", "edgeshift.training")


class Import(NamedTuple):
    """One import statement. ``module`` imports ``name``, at ``line`` (such as "edgeshift/a.py:3")."""

    module: str
    line: str
    name: str
    inside_function: bool


def files(*folders: str) -> list[Path]:
    paths = (path for folder in folders or FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))
    return [path for path in paths if "node_modules" not in path.parts]


def dotted(path: Path) -> str:
    """Return the name by which a file is imported."""
    top, *parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join([FOLDERS[top], *parts]).removesuffix(".__init__")


@cache
def modules() -> dict[str, Path]:
    return {dotted(path): path for path in files()}


def room(module: str) -> str:
    """Return the room of a module: its package, or the module itself if it is at the root of ``edgeshift``."""
    if module not in modules() or modules()[module].name == "__init__.py":
        return module
    package = module.rpartition(".")[0]
    return module if package == "edgeshift" else package


def imports(module: str, source: str, file: str) -> Iterator[Import]:
    """Yield every import of edgeshift's modules in a source text, except those for type checkers only."""

    def walk(node: ast.AST, inside: bool) -> Iterator[Import]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute in this project"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in modules() else str(node.module) for name in inner]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            names = [str(node.args[0].value)] if called in ("import_module", "__import__") else []
        for name in dict.fromkeys(names):
            if name.split(".")[0] == "edgeshift":
                yield Import(module, f"{file}:{getattr(node, 'lineno', 0)}", name, inside)
        inside = inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside)

    yield from walk(ast.parse(source), False)


@cache
def all_imports() -> tuple[Import, ...]:
    return tuple(
        statement
        for module, path in modules().items()
        for statement in imports(module, path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
    )


def problem(statement: Import) -> str | None:
    """Return what is wrong with an import; None if it is allowed."""
    line, importer, imported = statement.line, room(statement.module), room(statement.name)
    if importer == imported or importer in ("edgeshift", "edgeshift.__main__") or imported == "edgeshift":
        return None
    if importer not in ORDER or imported not in ORDER:
        return f"{line}: {importer if importer not in ORDER else imported} is not in ORDER"
    if importer == "edgeshift.cli" and not statement.inside_function and not in_order("edgeshift.training", imported):
        return f"{line}: import {statement.name} inside a function, because it makes `edgeshift --help` slow"
    # Studies that convert the networks that they measure import the converters inside functions.
    converts = importer == "edgeshift.benchmarks.studies" and statement.inside_function
    on_boards = importer.startswith(("edgeshift.runtimes", "edgeshift.benchmarks", "edgeshift.apps"))
    if on_boards and imported.startswith("edgeshift.converters") and not converts:
        return f"{line}: {importer} may not import {imported}"
    return None if in_order(importer, imported) else f"{line}: {importer} imports {imported}, which is later in ORDER"


def in_order(importer: str, imported: str) -> bool:
    return ORDER.index(imported) <= ORDER.index(importer)


def test_every_room_is_in_the_order():
    rooms = {room(module) for module in modules()} - {"edgeshift", "edgeshift.__main__"}
    assert rooms == set(ORDER)


def test_rooms_import_only_rooms_before_them_in_the_order():
    assert not [text for statement in all_imports() if (text := problem(statement))]


def test_import_edgeshift_imports_no_other_room():
    source = (ROOT / "edgeshift" / "__init__.py").read_text(encoding="utf-8")
    assert list(imports("edgeshift", source, "edgeshift/__init__.py")) == []


@pytest.mark.parametrize(
    ("module", "source", "message"),
    [
        ("edgeshift.stream.stream", "from edgeshift.runtimes import load", "which is later"),
        ("edgeshift.stream.stream", "def f():\n    from edgeshift.runtimes import load", "which is later"),
        ("edgeshift.stream.stream", "import importlib\nimportlib.import_module('edgeshift.cli')", "which is later"),
        ("edgeshift.video.fit", "from edgeshift.errors import EdgeshiftError\nimport torch", None),
        ("edgeshift.cli.demo", "from edgeshift.apps.camera.app import App", "slow"),
        ("edgeshift.cli.demo", "def f():\n    from edgeshift.apps.camera.app import App", None),
        ("edgeshift.runtimes.tflite", "from edgeshift.converters import convert", "which is later|may not"),
        ("edgeshift.apps.camera.app", "def f():\n    from edgeshift.converters import convert", "may not import"),
        ("edgeshift.benchmarks.studies.artifacts", "from edgeshift.converters import convert", "may not import"),
        ("edgeshift.benchmarks.studies.artifacts", "def f():\n    import edgeshift.converters", None),
        ("edgeshift.benchmarks.devices.ssh", "def f():\n    import edgeshift.benchmarks.latency.loop", "is later"),
        ("edgeshift.converters.job", "import edgeshift.converters.tflite.target", "which is later"),
    ],
)
def test_the_check_of_imports_finds_what_is_not_allowed(module: str, source: str, message: str | None):
    problems = [text for statement in imports(module, source, "x.py") if (text := problem(statement))]
    assert bool(problems) == (message is not None)
    assert message is None or any(part in problems[0] for part in message.split("|"))


def test_relative_imports_are_refused():
    with pytest.raises(AssertionError, match="absolute"):
        list(imports("edgeshift.shift", "from . import x", "edgeshift/a.py"))


#: A program that imports modules one after the other, while some packages cannot be imported. It prints the modules
#: that failed, and every import between modules of edgeshift that happened.
RECORDER = """
import builtins, importlib, json, sys
blocked, names = sys.argv[1].split(","), sys.argv[2:]
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r} (blocked)", name=name)
sys.meta_path.insert(0, Block())
real, edges, failures = builtins.__import__, set(), []
def recorded(name, globals=None, locals=None, fromlist=(), level=0):
    module = real(name, globals, locals, fromlist, level)
    importer = (globals or {}).get("__name__", "")
    if name.startswith("edgeshift") and importer.startswith("edgeshift"):
        inner = [f"{name}.{part}" for part in fromlist or () if f"{name}.{part}" in sys.modules]
        edges.update((importer, one) for one in inner or [name])
    return module
builtins.__import__ = recorded
for name in names:
    try:
        importlib.import_module(name)
    except Exception as error:
        failures.append(f"{name}: {type(error).__name__}: {error}")
print(json.dumps({"failures": failures, "edges": sorted(edges)}))
"""


def record(names: list[str], blocked: tuple[str, ...] = ()) -> tuple[list[str], list[tuple[str, str]]]:
    """Import modules in a new process. Return the failures, and each import that happened as (importer, imported)."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RECORDER, ",".join(blocked), *names],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return found["failures"], [tuple(edge) for edge in found["edges"]]


def importable(*folders: str) -> list[str]:
    return [dotted(path) for path in files(*folders) if path.name != "__main__.py"]


def cycles(edges: list[tuple[str, str]]) -> list[set[str]]:
    """Return the sets of modules that import each other in a cycle (Tarjan's strongly connected components)."""
    graph: dict[str, list[str]] = {}
    for importer, imported in edges:
        graph.setdefault(importer, []).append(imported)
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, []):
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            part = set(stack[stack.index(node) :])
            del stack[stack.index(node) :]
            if len(part) > 1:
                found.append(part)

    for node in list(graph):
        if node not in index:
            visit(node)
    return found


def test_imports_have_no_cycles():
    failures, edges = record(importable())
    assert failures == [] and len(edges) > 500
    assert cycles(edges) == []


def test_a_cycle_is_found():
    assert cycles([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]) == [{"a", "b", "c"}]
    assert cycles([("a", "b"), ("b", "c"), ("a", "c")]) == []


@pytest.mark.parametrize("folder", ["runtimes", "apps", "benchmarks", "edgeshift/cli"])
def test_a_board_without_torch_can_import_every_module(folder: str):
    paths = [path for path in files() if path.is_relative_to(ROOT / folder) and path.name != "__main__.py"]
    assert record([dotted(path) for path in paths], HEAVY)[0] == []


def test_modules_can_be_imported_without_opencv_and_runtimes():
    blocked = (*HEAVY, "cv2", "ai_edge_litert", "onnxruntime", "tensorrt", "PIL", "matplotlib", "jinja2")
    assert record(importable("runtimes", "apps", "benchmarks"), blocked)[0] == []


def test_only_rooms_of_networks_need_torch():
    names = [name for name in importable("edgeshift") if not name.startswith(tuple(f"{part}." for part in NEED_TORCH))]
    assert record(names, (*HEAVY, "safetensors"))[0] == []


def test_blocked_packages_cannot_be_imported():
    assert "blocked" in record(["edgeshift.models.network"], HEAVY)[0][0]
    assert "blocked" in record(["edgeshift.converters"], HEAVY)[0][0]


@pytest.mark.parametrize("name", ["edgeshift", "edgeshift.cli"])
def test_the_command_line_starts_without_large_packages(name: str):
    heavy = ("numpy", "cv2", "rich", "msgspec", *HEAVY)
    code = f"import sys, {name}; print([m for m in {heavy!r} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_opening_an_artifact_imports_no_torch():
    code = "import sys, edgeshift\n"
    code += "try: edgeshift.load('missing.tflite')\nexcept edgeshift.EdgeshiftError as error: print(error)\n"
    code += "print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["missing.tflite: no such file", "False"]


def test_the_root_of_the_package_stays_small():
    """Besides three files, ``edgeshift`` has at most 15 entries. Add a new one only if no existing room fits."""
    entries = {path.name for path in (ROOT / "edgeshift").iterdir()} - {"__init__.py", "__main__.py", "py.typed"}
    assert len(entries - {"__pycache__"}) <= 15


def test_the_root_of_the_benchmarks_holds_only_shared_statistics():
    assert {path.name for path in (ROOT / "benchmarks").glob("*.py")} == {"__init__.py", "statistics.py"}


def test_the_docstring_of_every_package_states_its_imports():
    for path in files():
        if path.name == "__init__.py":
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            assert "import" in text.lower(), f"{path.relative_to(ROOT)} does not say what may be imported"
