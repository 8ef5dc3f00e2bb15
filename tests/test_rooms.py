"""The walls between the rooms: who may import whom, and what a device without torch can still import."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: The top-level folders, and the names they are imported by.
ROOMS = {
    "edgeshift": "edgeshift",
    "converters": "edgeshift.converters",
    "runtimes": "edgeshift.runtimes",
    "benchmarks": "edgeshift.benchmarks",
    "apps": "edgeshift.apps",
}
#: Which other rooms each may reach, besides itself.
MAY = {
    "edgeshift": set(),
    "converters": {"edgeshift", "runtimes"},
    "runtimes": {"edgeshift"},
    "benchmarks": {"edgeshift", "runtimes"},
    "apps": {"edgeshift", "runtimes"},
}
#: The files of benchmarks that make what they measure. They load the converters by name, when they have to.
MAKER = "benchmarks/studies/artifacts.py"
MAKERS = {MAKER, "benchmarks/studies/targets.py"}
HEAVY = ("torch", "litert_torch", "ai_edge_quantizer", "onnx", "onnxscript", "executorch", "torchao", "coremltools")


@dataclass(frozen=True)
class Import:
    """One import: of what, in which file and line, and whether it only happens when a function is called."""

    file: str
    line: int
    name: str
    lazy: bool
    typing: bool


def files() -> list[Path]:
    return [path for top in ROOMS for path in sorted((ROOT / top).rglob("*.py"))]


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = (*ROOMS[parts[0]].split("."), *parts[1:])
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(name: str) -> str | None:
    """The folder that a dotted name belongs to; None: not ours."""
    if name.split(".")[0] != "edgeshift":
        return None
    return next((top for top, dotted in ROOMS.items() if top != "edgeshift" and _below(name, dotted)), "edgeshift")


def _here(one: Import) -> str:
    return one.file.split("/")[0]


def _below(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def imports(source: str, file: str) -> Iterator[Import]:
    """Every import of a file, as absolute names; ``from a import b`` counts as both a and a.b."""

    def walk(node: ast.AST, lazy: bool, typing: bool) -> Iterator[Import]:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute here"
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0] if node.args else None
            if called in ("import_module", "__import__") and isinstance(first, ast.Constant):
                names = [str(first.value)]
        for name in names:
            yield Import(file, getattr(node, "lineno", 0), name, lazy, typing)
        inside = lazy or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for_types = typing or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside, for_types)

    yield from walk(ast.parse(source), False, False)


def found() -> list[Import]:
    return [i for path in files() for i in imports(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))]


def allowed(one: Import) -> bool:
    """Whether the design lets this import be."""
    here, there = _here(one), room(one.name)
    if there is None or there == here or there in MAY[here] or one.typing:
        return True
    if one.file == "edgeshift/__init__.py" or one.file.startswith("edgeshift/cli/"):
        return one.lazy
    return one.file in MAKERS and there == "converters" and one.lazy


def test_every_room_has_files():
    assert {path.relative_to(ROOT).parts[0] for path in files()} == set(ROOMS)
    assert len(files()) > 50


def test_no_room_reaches_where_it_may_not():
    wrong = [f"{one.file}:{one.line} imports {one.name}" for one in found() if not allowed(one)]
    assert not wrong, "\n".join(wrong)


def test_the_exceptions_are_those_that_are_documented():
    """What breaks the plain table, by file: it must not grow unseen."""
    plain = [one for one in found() if not one.typing and not one.file.startswith("edgeshift/cli/")]
    beyond = {one.file for one in plain if room(one.name) not in {None, _here(one), *MAY[_here(one)]}}
    assert beyond <= MAKERS


def test_the_package_reaches_other_rooms_only_by_its_lazy_table():
    source = (ROOT / "edgeshift" / "__init__.py").read_text(encoding="utf-8")
    assert all(one.typing or room(one.name) is None for one in imports(source, "edgeshift/__init__.py"))


@pytest.mark.parametrize(
    ("file", "source", "fine"),
    [
        ("edgeshift/stream/stream.py", "from edgeshift.runtimes import load", False),
        ("edgeshift/stream/stream.py", "def f():\n    from edgeshift.runtimes import load", False),
        ("edgeshift/stream/stream.py", "from edgeshift import converters", False),
        ("edgeshift/stream/stream.py", "import edgeshift.apps.demo as x", False),
        ("edgeshift/stream/stream.py", "import importlib\nimportlib.import_module('edgeshift.converters')", False),
        ("edgeshift/stream/stream.py", "from edgeshift.artifact.spec import StreamSpec\nimport torch", True),
        ("edgeshift/cli/demo.py", "from edgeshift.apps.camera.replay import Replay", False),
        ("edgeshift/cli/demo.py", "def f():\n    from edgeshift.apps.camera.replay import Replay", True),
        ("runtimes/tflite.py", "from edgeshift.converters import convert", False),
        ("runtimes/tflite.py", "def f():\n    import edgeshift.benchmarks", False),
        (
            "runtimes/tflite.py",
            "from edgeshift._system.quiet import quiet\nfrom edgeshift.artifact.spec import x",
            True,
        ),
        ("converters/tflite/target.py", "from edgeshift.runtimes import load", True),
        ("converters/tflite/target.py", "from edgeshift.benchmarks import x", False),
        ("apps/demo.py", "from edgeshift.runtimes import load", True),
        ("apps/demo.py", "from edgeshift.converters import convert", False),
        ("apps/demo.py", "from edgeshift.benchmarks import x", False),
        ("benchmarks/a.py", "def f():\n    importlib.import_module('edgeshift.converters')", False),
        (MAKER, "def f():\n    importlib.import_module('edgeshift.converters')", True),
        (MAKER, "from edgeshift.converters import convert", False),
    ],
)
def test_the_rule_itself(file, source, fine):
    assert all(allowed(one) for one in imports(source, file)) == fine


def test_relative_imports_are_refused():
    with pytest.raises(AssertionError, match="absolute"):
        list(imports("from . import x", "edgeshift/a.py"))


#: Makes some modules impossible to import, then imports the rest, one after the other, in one process.
BLOCKED = """
import importlib, sys
blocked, names = sys.argv[1].split(","), sys.argv[2:]
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r} (blocked)", name=name)
sys.meta_path.insert(0, Block())
for name in names:
    try:
        importlib.import_module(name)
    except Exception as error:
        print(f"{name}: {type(error).__name__}: {error}")
"""


def import_all(names: list[str], blocked: tuple[str, ...]) -> str:
    """What went wrong, a line each."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BLOCKED, ",".join(blocked), *names],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def modules(*tops: str) -> list[str]:
    paths = [path for top in tops for path in sorted((ROOT / top).rglob("*.py"))]
    return [module(path) for path in paths if path.name != "__main__.py"]


@pytest.mark.parametrize("top", ["runtimes", "apps", "benchmarks", "edgeshift/cli"])
def test_a_device_without_torch_imports_every_module(top):
    assert import_all(modules(top), HEAVY) == ""


def test_the_blocker_blocks():
    assert "blocked" in import_all(["edgeshift.models.network"], HEAVY)
    assert "blocked" in import_all(["edgeshift.converters"], HEAVY)


#: The only files of the core that need torch to import: they are torch.
TORCH = {
    "edgeshift.models.cost",
    "edgeshift.models.deploy",
    "edgeshift.models.features",
    "edgeshift.models.untrained",
    "edgeshift.models.mobilenet_v2",
    "edgeshift.models.network",
    "edgeshift.models.resnet50",
    "edgeshift.models.shift_layers",
    "edgeshift.models.slot_migration",
    "edgeshift.checkpoints.checkpoint",
    "edgeshift.checkpoints.matching",
    "edgeshift.checkpoints.layouts",
    "edgeshift.checkpoints.loader",
    "edgeshift.checkpoints.mit_name",
    "edgeshift.checkpoints.edgeshift_file",
    "edgeshift.checkpoints.weights_file",
    "edgeshift.converters.calibration",
    "edgeshift.training.average",
    "edgeshift.training.tune_rule",
    "edgeshift.training.run",
    "edgeshift.training.start",
    "edgeshift.training.losses",
    "edgeshift.training.trainer",
}


def test_the_rest_of_the_core_needs_no_torch():
    names = [name for name in modules("edgeshift") if name not in TORCH]
    assert import_all(names, (*HEAVY, "safetensors")) == ""


def test_a_device_needs_no_opencv_to_import():
    names = modules("runtimes", "apps", "benchmarks", "edgeshift/cli")
    assert import_all(names, (*HEAVY, "cv2", "ai_edge_litert", "onnxruntime", "tensorrt", "PIL")) == ""


@pytest.mark.parametrize("name", ["edgeshift", "edgeshift.cli"])
def test_the_command_line_answers_at_once(name):
    """Nothing heavy is imported before it is known what is wanted."""
    heavy = ("numpy", "torch", "cv2", "rich", "msgspec", *HEAVY)
    code = f"import sys, {name}; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_opening_an_artifact_imports_no_torch():
    code = "import sys, edgeshift\n"
    code += "try: edgeshift.load('missing.tflite')\nexcept edgeshift.EdgeshiftError as error: print(error)\n"
    code += "print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["missing.tflite: no such file", "False"]
