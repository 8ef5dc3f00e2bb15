"""Who may import whom, which modules a board can import, and what an installation contains."""

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
#: {folder at the top of the repository: name it is imported by}.
FOLDERS = {
    "edgeshift": "edgeshift",
    "converters": "edgeshift.converters",
    "runtimes": "edgeshift.runtimes",
    "benchmarks": "edgeshift.benchmarks",
    "apps": "edgeshift.apps",
}
#: Every room, from the ground up. A room is a package, or a module at the root of ``edgeshift``. It may import itself
#: and the rooms before it in this list, at import and inside functions.
ORDER = (
    "edgeshift.errors",
    "edgeshift._system",
    "edgeshift.targets",
    "edgeshift.shift",
    "edgeshift.video",
    "edgeshift.gestures",
    "edgeshift.models",
    "edgeshift.artifact",
    "edgeshift.events",
    "edgeshift.stream",
    "edgeshift.weights",
    "edgeshift.checkpoints",
    "edgeshift.training",
    "edgeshift.runtimes.mil",
    "edgeshift.runtimes",
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
    "edgeshift.apps.camera.engine",
    "edgeshift.apps.camera.display",
    "edgeshift.apps.camera",
    "edgeshift.apps.phone",
    "edgeshift.cli",
    "edgeshift.benchmarks.studies",
)
#: Packages that a board need not have.
HEAVY = ("torch", "litert_torch", "ai_edge_quantizer", "onnx", "onnxscript", "executorch", "torchao", "coremltools")
#: The modules of ``edgeshift`` that need torch to be imported.
NEED_TORCH = ("edgeshift.models", "edgeshift.checkpoints", "edgeshift.training")


class Import(NamedTuple):
    """One import: the module that imports, its file and line, the name it imports, and whether a function does it."""

    module: str
    place: str
    name: str
    inside_function: bool


def files(*folders: str) -> list[Path]:
    paths = (path for folder in folders or FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))
    return [path for path in paths if "node_modules" not in path.parts]


def dotted(path: Path) -> str:
    """The name that a file is imported by."""
    top, *parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join([FOLDERS[top], *parts]).removesuffix(".__init__")


@cache
def modules() -> dict[str, Path]:
    return {dotted(path): path for path in files()}


def room(module: str) -> str:
    """The room that a module is in: its package, or at the root of ``edgeshift`` the module itself."""
    if module not in modules() or modules()[module].name == "__init__.py":
        return module
    package = module.rpartition(".")[0]
    return module if package == "edgeshift" else package


def imports(module: str, source: str, place: str) -> Iterator[Import]:
    """Every import of edgeshift's modules in a source text, but those for type checkers alone."""

    def walk(node: ast.AST, inside: bool) -> Iterator[Import]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{place}:{node.lineno}: imports are absolute in this project"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in modules() else str(node.module) for name in inner]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            names = [str(node.args[0].value)] if called in ("import_module", "__import__") else []
        for name in dict.fromkeys(names):
            if name.split(".")[0] == "edgeshift":
                yield Import(module, f"{place}:{getattr(node, 'lineno', 0)}", name, inside)
        inside = inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside)

    yield from walk(ast.parse(source), False)


@cache
def all_imports() -> tuple[Import, ...]:
    return tuple(
        found
        for module, path in modules().items()
        for found in imports(module, path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
    )


def problem(one: Import) -> str | None:
    """What is wrong with an import; None: nothing."""
    here, there = room(one.module), room(one.name)
    if here == there or here in ("edgeshift", "edgeshift.__main__") or there == "edgeshift":
        return None
    if here not in ORDER or there not in ORDER:
        return f"{one.place}: {here if here not in ORDER else there} is not in ORDER"
    if here == "edgeshift.cli" and not one.inside_function and not below("edgeshift.training", there):
        return f"{one.place}: cli imports {one.name} at import, so that `edgeshift --help` is slow"
    # The studies that convert what they measure load the converters by name, inside the function that converts.
    converts = here == "edgeshift.benchmarks.studies" and one.inside_function
    on_boards = here.startswith(("edgeshift.runtimes", "edgeshift.benchmarks", "edgeshift.apps"))
    if on_boards and there.startswith("edgeshift.converters") and not converts:
        return f"{one.place}: {here} may not import {there}"
    return None if below(here, there) else f"{one.place}: {here} imports {there}, which comes after it in ORDER"


def below(room: str, other: str) -> bool:
    return ORDER.index(other) <= ORDER.index(room)


def test_every_room_has_its_place_in_the_order():
    rooms = {room(module) for module in modules()} - {"edgeshift", "edgeshift.__main__"}
    assert rooms == set(ORDER)


def test_rooms_import_only_what_comes_before_them():
    assert not [text for one in all_imports() if (text := problem(one))]


def test_the_public_package_imports_other_rooms_only_when_asked():
    source = (ROOT / "edgeshift" / "__init__.py").read_text(encoding="utf-8")
    assert list(imports("edgeshift", source, "edgeshift/__init__.py")) == []


@pytest.mark.parametrize(
    ("module", "source", "says"),
    [
        ("edgeshift.stream.stream", "from edgeshift.runtimes import load", "which comes after it"),
        ("edgeshift.stream.stream", "def f():\n    from edgeshift.runtimes import load", "which comes after it"),
        ("edgeshift.stream.stream", "import importlib\nimportlib.import_module('edgeshift.cli')", "comes after it"),
        ("edgeshift.video.fit", "from edgeshift.errors import EdgeshiftError\nimport torch", None),
        ("edgeshift.cli.demo", "from edgeshift.apps.camera.app import App", "is slow"),
        ("edgeshift.cli.demo", "def f():\n    from edgeshift.apps.camera.app import App", None),
        ("edgeshift.runtimes.tflite", "from edgeshift.converters import convert", "which comes after it|may not"),
        ("edgeshift.apps.camera.app", "def f():\n    from edgeshift.converters import convert", "may not import"),
        ("edgeshift.benchmarks.studies.artifacts", "from edgeshift.converters import convert", "may not import"),
        ("edgeshift.benchmarks.studies.artifacts", "def f():\n    import edgeshift.converters", None),
        (
            "edgeshift.benchmarks.devices.ssh",
            "def f():\n    import edgeshift.benchmarks.latency.loop",
            "comes after it",
        ),
        ("edgeshift.converters.job", "import edgeshift.converters.tflite.target", "which comes after it"),
    ],
)
def test_the_rule_itself(module: str, source: str, says: str | None):
    problems = [text for one in imports(module, source, "x.py") if (text := problem(one))]
    assert bool(problems) == (says is not None)
    assert says is None or any(part in problems[0] for part in says.split("|"))


def test_relative_imports_are_refused():
    with pytest.raises(AssertionError, match="absolute"):
        list(imports("edgeshift.shift", "from . import x", "edgeshift/a.py"))


#: Imports modules one after the other in one process, some packages made impossible to import, and prints what failed
#: and every import that really happened between modules of edgeshift.
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
    """What could not be imported, and the imports that happened, as (importer, imported)."""
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


def circles(edges: list[tuple[str, str]]) -> list[set[str]]:
    """Sets of modules that import each other in a circle (Tarjan's strongly connected components)."""
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


def test_no_modules_import_each_other_in_a_circle():
    failures, edges = record(importable())
    assert failures == [] and len(edges) > 500
    assert circles(edges) == []


def test_a_circle_is_found():
    assert circles([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]) == [{"a", "b", "c"}]
    assert circles([("a", "b"), ("b", "c"), ("a", "c")]) == []


@pytest.mark.parametrize("folder", ["runtimes", "apps", "benchmarks", "edgeshift/cli"])
def test_a_board_without_torch_imports_every_module(folder: str):
    paths = [path for path in files() if path.is_relative_to(ROOT / folder) and path.name != "__main__.py"]
    assert record([dotted(path) for path in paths], HEAVY)[0] == []


def test_a_board_needs_no_opencv_and_no_runtime_to_import():
    blocked = (*HEAVY, "cv2", "ai_edge_litert", "onnxruntime", "tensorrt", "PIL", "matplotlib", "jinja2")
    assert record(importable("runtimes", "apps", "benchmarks"), blocked)[0] == []


def test_only_the_rooms_that_are_torch_need_it():
    names = [name for name in importable("edgeshift") if not name.startswith(tuple(f"{one}." for one in NEED_TORCH))]
    assert record(names, (*HEAVY, "safetensors"))[0] == []


def test_the_blocker_blocks():
    assert "blocked" in record(["edgeshift.models.network"], HEAVY)[0][0]
    assert "blocked" in record(["edgeshift.converters"], HEAVY)[0][0]


@pytest.mark.parametrize("name", ["edgeshift", "edgeshift.cli"])
def test_the_command_line_starts_with_nothing_heavy(name: str):
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
    """At most 14 entries besides these three: two places are free for rooms to come."""
    entries = {path.name for path in (ROOT / "edgeshift").iterdir()} - {"__init__.py", "__main__.py", "py.typed"}
    assert len(entries - {"__pycache__"}) <= 14


def test_the_root_of_the_benchmarks_holds_what_all_parts_share():
    assert {path.name for path in (ROOT / "benchmarks").glob("*.py")} == {"__init__.py", "statistics.py"}


def test_every_package_says_what_lives_there_and_what_it_imports():
    for path in files():
        if path.name == "__init__.py":
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            assert "import" in text.lower(), f"{path.relative_to(ROOT)} does not say what may be imported"
