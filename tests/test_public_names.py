"""The names in ``__all__`` of each room are its public names, and the wheel contains every package."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import tomllib

import edgeshift
from edgeshift.errors import EdgeshiftError

ROOT = Path(__file__).parents[1]
#: {room with public names: its folder}. These rooms are packages.
ROOMS = {
    "edgeshift": "edgeshift",
    "edgeshift.checkpoints": "edgeshift/checkpoints",
    "edgeshift.gestures": "edgeshift/gestures",
    "edgeshift.models": "edgeshift/models",
    "edgeshift.stream": "edgeshift/stream",
    "edgeshift.converters": "converters",
    "edgeshift.runtimes": "runtimes",
}


def public_names(room: str) -> set[str]:
    """Return the names without underscore that a room's ``__init__`` defines, or imports from the room's own files.

    Names that it imports from elsewhere, such as ``Path``, are not public.
    """
    names: set[str] = set()
    for node in ast.parse((ROOT / ROOMS[room] / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(target.id for target in targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{room}."):
            names.update(alias.asname or alias.name for alias in node.names)
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "edgeshift"])
def test_all_holds_the_public_names(room):
    module = importlib.import_module(room)
    names = getattr(module, "__all__", [])
    assert sorted(names) == sorted(public_names(room))
    assert len(set(names)) == len(names)
    assert all(hasattr(module, name) for name in names)


def test_all_of_edgeshift_holds_the_names_that_are_imported_on_first_use():
    assert sorted(edgeshift.__all__) == sorted([*edgeshift._MODULES, "__version__"])
    assert public_names("edgeshift") == set()
    for name, module in edgeshift._MODULES.items():
        assert getattr(edgeshift, name) is getattr(importlib.import_module(module), name)


def test_type_checkers_see_the_names_that_are_imported_on_first_use():
    tree = ast.parse((ROOT / "edgeshift" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    names = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert names == edgeshift._MODULES


def test_edgeshift_has_its_error_and_version_and_no_other_names():
    assert edgeshift.EdgeshiftError is EdgeshiftError
    assert edgeshift.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="no attribute 'Strem'"):
        edgeshift.Strem  # noqa: B018


def test_star_import_gives_the_public_names():
    code = "from edgeshift import *; print(sorted(n for n in dir() if not n.startswith('_') or n == '__version__'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(sorted(edgeshift.__all__))


def test_every_package_is_in_the_wheel():
    """A package that pyproject.toml does not list works in the repository, but is missing from an installation."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = {"edgeshift": "edgeshift"} | dict(tools["package-dir"])
    with_code = set()
    for package, folder in folders.items():
        for file in (ROOT / folder).rglob("*.py"):
            if "node_modules" in file.parts:
                continue
            assert (file.parent / "__init__.py").is_file(), f"{file.parent.relative_to(ROOT)} has no __init__.py"
            with_code.add(".".join([package, *file.parent.relative_to(ROOT / folder).parts]))
    assert set(tools["packages"]) == with_code
