"""Artifacts that many tests share. A conversion takes ten seconds: each is made once per test run."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# Tests interrupt what they run. A shell in the background tells its children to ignore that, and they would run on.
signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS = Path(__file__).parent


@dataclass(frozen=True)
class Made:
    """An artifact, and what it was made from."""

    path: Path
    source: Any
    result: Any


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of two processes (``make test``), each takes a group when it is free: a file of conversions, which share what
    they convert, or a folder of other tests, which share the rest."""
    for item in items:
        folder, *deeper = item.path.relative_to(TESTS).parts
        item.add_marker(pytest.mark.xdist_group("/".join((folder, *deeper[:1])) if folder == "converters" else folder))


@pytest.fixture(autouse=True, scope="module")
def one_torch_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """Limit torch to one thread in tests of small networks, where threads would mostly wait for each other."""
    if request.path.parent.name not in ("checkpoints", "models", "training"):
        yield
        return
    from edgeshift._system.threads import one_thread

    with one_thread():
        yield


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Made]:
    """``made("tsm", "int8", "onnx")``: an artifact of an untrained network with that table, at 64x64.

    "tsm" is short for "tsm_mobilenet_v2". What targets have in common is done once for all of them.
    """
    pytest.importorskip("torch", reason="the converters are not installed")
    from edgeshift.checkpoints.source import untrained_source
    from edgeshift.converters import Options, convert
    from edgeshift.converters.pipeline import prepare
    from edgeshift.targets import find_target

    # The processes of one run have folders beside each other; what one has converted, the others take.
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "artifacts"
    folder.mkdir(exist_ok=True)
    sources: dict[str, Any] = {}
    prepared: dict[Any, Any] = {}
    cache: dict[Any, Made] = {}

    def make(table: str = "tsm", precision: str = "int8", target: str = "tflite", **options: Any) -> Made:
        key = (table, precision, target, *sorted(options.items()))
        lacking = [m for m in find_target(target).converter_packages.values() if importlib.util.find_spec(m) is None]
        if lacking:
            pytest.skip(f"{lacking[0]} is not installed")
        if key not in cache:
            if table not in sources:
                sources[table] = untrained_source(table if "_" in table else f"{table}_mobilenet_v2", size=64)
            path = folder / ("_".join(map(str, key)).replace(" ", "") + find_target(target).suffix)
            result = path.with_name(f"{path.name}.result")
            with path.with_name(f"{path.name}.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not result.exists():
                    how = Options(precision=precision, **options)  # type: ignore[arg-type]
                    common = (table, precision, how.fresh_states)
                    if common not in prepared:
                        prepared[common] = prepare(sources[table], how)
                    converted = convert(sources[table], target, path, how, prepared=prepared[common])
                    result.write_bytes(pickle.dumps(converted))
            cache[key] = Made(path, sources[table], pickle.loads(result.read_bytes()))
        return cache[key]

    return make


@pytest.fixture(scope="session")
def data() -> Path:
    """Real clips beside the repository; tests that need them skip where there are none."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real clips here: ../shared/data is not part of the repository")
    return folder
