"""Code that several runtimes share: the option ``threads``, imports of runtimes, and calls of native libraries."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgeshift._system.quiet import quiet
from edgeshift.errors import ArtifactError, EdgeshiftError, one_line
from edgeshift.targets import missing_runtime

MAX_THREADS = 64


def require_threads(threads: int) -> None:
    """Raise an EdgeshiftError if a number of threads is not 1 to ``MAX_THREADS``."""
    if not 1 <= threads <= MAX_THREADS:
        raise EdgeshiftError(f"threads must be 1 to {MAX_THREADS}, not {threads}")


def thread_count(threads: int) -> str:
    """Return "1 thread", "2 threads" and so on."""
    return f"{threads} thread{'s' * (threads > 1)}"


def import_runtime(module: str, runtime: str, path: Path) -> Any:
    """Import a module of a runtime, without its output and warnings.

    Args:
        module: the module.
        runtime: name of the runtime in ``edgeshift.targets.RUNTIMES``.
        path: the artifact that is to be run, for the error message.

    Raises:
        RuntimeMissingError: the runtime is not installed.
    """
    try:
        with quiet(stdout=True), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(module)
    except ImportError as error:
        raise missing_runtime(runtime, f"running {path}") from error


@contextmanager
def empty_package(name: str) -> Iterator[None]:
    """Replace a package by an empty one while the block runs, unless it is imported already.

    Modules of the package can be imported in the block without the package itself, whose import may take seconds.
    Afterwards the package and its modules can be imported as usual.
    """
    found = None if name in sys.modules else importlib.util.find_spec(name)
    if found is None or found.submodule_search_locations is None:
        yield
        return
    package = types.ModuleType(name)
    package.__path__ = list(found.submodule_search_locations)
    sys.modules[name] = package
    try:
        yield
    finally:
        for module in [module for module in sys.modules if module == name or module.startswith(f"{name}.")]:
            del sys.modules[module]


@contextmanager
def without_packages(*names: str) -> Iterator[None]:
    """Make packages that are not imported yet look as if they were not installed, while the block runs."""
    blocked = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(blocked))  # type: ignore[arg-type]  # None is Python's mark for this
    try:
        yield
    finally:
        for name in blocked:
            del sys.modules[name]


@contextmanager
def native_call(path: Path, failure: str) -> Iterator[None]:
    """Call a native library in the block, without its output.

    Args:
        path: the artifact.
        failure: start of the error message, such as "LiteRT cannot load its graph".

    Raises:
        ArtifactError: the library raised an exception.
    """
    with quiet():
        try:
            yield
        except EdgeshiftError:
            raise
        except Exception as error:  # native libraries raise many kinds of exceptions
            raise ArtifactError(f"{path}: {failure}: {one_line(error)}; convert the model again") from error


def package_version(package: str) -> str:
    """Return the version of an installed package, or "unknown".

    Some systems for boards install packages without metadata. Then the imported module may say its version.
    """
    from importlib.metadata import PackageNotFoundError, version  # the import takes 20 ms

    try:
        return version(package)
    except PackageNotFoundError:
        module = sys.modules.get(package.replace("-", "_"))
        return str(getattr(module, "__version__", "unknown"))
