"""What the runtimes have in common: the option ``threads``, and calls of native libraries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeshift._system.quiet import quiet
from edgeshift.errors import ArtifactError, EdgeshiftError, one_line

MAX_THREADS = 64


def require_threads(threads: int) -> None:
    """Raise an EdgeshiftError for a number of threads that no runtime here takes."""
    if not 1 <= threads <= MAX_THREADS:
        raise EdgeshiftError(f"threads must be 1 to {MAX_THREADS}, not {threads}")


def thread_count(threads: int) -> str:
    """Return "1 thread", "2 threads" and so on."""
    return f"{threads} thread{'s' * (threads > 1)}"


@contextmanager
def native_call(path: Path, failure: str) -> Iterator[None]:
    """Call a native library in the block, without its output.

    Args:
        path: the artifact.
        failure: what it means if the library raises an exception, such as "LiteRT cannot load its graph".

    Raises:
        ArtifactError: the library raised an exception.
    """
    with quiet():
        try:
            yield
        except EdgeshiftError:
            raise
        except Exception as error:  # native libraries raise many kinds of exceptions
            raise ArtifactError(f"{path}: {failure}: {one_line(error)}") from error


def package_version(package: str) -> str:
    """The version of an installed package. It is read when it is asked for: the import alone takes 20 ms of CPU."""
    from importlib.metadata import version

    return version(package)
