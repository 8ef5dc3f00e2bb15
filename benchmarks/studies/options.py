"""The options that the benchmarks of this folder share, and how such a benchmark is run."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeshift.errors import EdgeshiftError

#: Rounds of a process, and processes.
ROUNDS, REPEATS = 80, 5
QUICK_ROUNDS, QUICK_REPEATS = 5, 1


class Settings(argparse.Namespace):
    """What was asked for on the command line.

    Attributes:
        size: pixels a side of a frame. rounds: to time. repeats: processes to time them in.
        quick: settle for less. json: print one JSON document instead of tables. strict: a missed goal is exit status 1.
        cache: where to keep converted files; None: nowhere.
    """

    size: int
    rounds: int
    repeats: int
    quick: bool
    json: bool
    strict: bool
    cache: Path | None


def parse(description: str, arguments: list[str] | None, *, strict: bool = False) -> Settings:
    """Read the command line.

    Args:
        description: for ``--help``.
        arguments: None: those of the process.
        strict: offer ``--strict``.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--size", type=int, default=224, help="pixels a side of a frame (default: 224)")
    parser.add_argument("--rounds", type=int, help=f"rounds to time in each process (default: {ROUNDS})")
    parser.add_argument("--repeats", type=int, help=f"processes, one after the other (default: {REPEATS})")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds in this process: does it run")
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep converted files there, and use those that are")
    if strict:
        parser.add_argument("--strict", action="store_true", help="exit status 1 if a goal is missed")
    parser.set_defaults(strict=False)
    settings = parser.parse_args(arguments, namespace=Settings())
    if settings.rounds is None:
        settings.rounds = QUICK_ROUNDS if settings.quick else ROUNDS
    if settings.repeats is None:
        settings.repeats = QUICK_REPEATS if settings.quick else REPEATS
    for name in ("rounds", "repeats"):
        if getattr(settings, name) < 1:
            parser.error(f"--{name} must be 1 or more, not {getattr(settings, name)}")
    return settings


def run(work: Callable[[], int]) -> int:
    """Run a benchmark's main; an expected error becomes one line on stderr and its exit status."""
    try:
        return work()
    except EdgeshiftError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.status
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130


@contextmanager
def kept(cache: Path | None) -> Iterator[Path]:
    """The folder for converted files: the one asked for, or one that goes away afterwards."""
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
        yield cache
        return
    with tempfile.TemporaryDirectory(prefix="edgeshift-") as folder:
        yield Path(folder)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for torch and OpenCV inside the block, as LiteRT is given."""
    import torch

    from edgeshift.video.fit import opencv

    cv2 = opencv("timing the preprocessing")
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
