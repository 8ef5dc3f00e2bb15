"""Fixtures of all tests, and their order. The fixture ``made`` converts each artifact once per test run."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pickle
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

# Some tests interrupt a process. Processes that a shell starts in the background ignore SIGINT, so handle it here.
signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS = Path(__file__).parent
WORKER = "PYTEST_XDIST_WORKER" in os.environ
for library in ("OMP", "OPENBLAS"):  # networks in tests are small, so more threads would mostly wait for each other
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

#: Tests of a target's converter and runtime are one group, so that one process makes its artifacts.
TARGET_GROUPS = ("executorch", "coreml", "tflite", "onnx")
#: Groups of tests that start first, in this order. The longest ones are first and the short ones are left for the end,
#: so that two processes end at about the same time. The others have no slow tests, or few.
LONG_GROUPS = (
    *TARGET_GROUPS,
    *("benchmarks", "native", "test_install.py", "cli", "converters", "apps", "models", "training"),
)
#: The test that runs first. It converts to all targets, and other tests use its artifacts.
FIRST_TEST = "test_every_target_in_one_table"


def pytest_configure(config: pytest.Config) -> None:
    """Start groups in the order of ``pytest_collection_modifyitems``, not in the order of their number of tests."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put each test into a group. ``make test`` runs two processes, and each takes the next group when it is free."""
    groups = {item.nodeid: _group(item) for item in items}
    for item in items:
        item.add_marker(pytest.mark.xdist_group(groups[item.nodeid]))
    if WORKER:
        items.sort(key=lambda item: (_position(groups[item.nodeid]), item.name != FIRST_TEST))


def _group(item: pytest.Item) -> str:
    """Return the group of a test: its target, if it tests a converter or runtime, or else its folder."""
    folder, *_ = item.path.relative_to(TESTS).parts
    if item.name == FIRST_TEST:
        return TARGET_GROUPS[0]
    if folder in ("converters", "runtimes"):
        path = item.nodeid.replace("tensorrt", "onnx").replace("qnn", "onnx").replace("/mil/", "/coreml/")
        return next((target for target in TARGET_GROUPS if target in path), folder)
    return folder


def _position(group: str) -> int:
    return LONG_GROUPS.index(group) if group in LONG_GROUPS else len(LONG_GROUPS)


@pytest.fixture(autouse=True, scope="module")
def one_torch_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """Limit torch to one thread in tests of small networks, where threads would mostly wait for each other."""
    if request.path.parent.name not in ("checkpoints", "models", "training"):
        yield
        return
    from edgeshift._system.threads import one_thread

    with one_thread():
        yield


#: A Vulkan driver that computes on the CPU: SwiftShader, in Debian's package chromium-common.
SWIFTSHADER = Path("/usr/lib/chromium/vk_swiftshader_icd.json")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the software GPU. Tests that need it are skipped where it is not installed."""
    pytest.importorskip("ai_edge_litert")
    if not SWIFTSHADER.is_file():
        pytest.skip("no software GPU: SwiftShader comes with Debian's chromium-common")
    monkeypatch.setenv("VK_ICD_FILENAMES", str(SWIFTSHADER))


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let LiteRT find no driver of a GPU."""
    pytest.importorskip("ai_edge_litert")
    monkeypatch.setenv("VK_ICD_FILENAMES", "/nonexistent.json")


@dataclass(frozen=True)
class Made:
    """An artifact that was converted for tests.

    Attributes:
        path: the artifact.
        source: the checkpoint that it was converted from.
        result: the result of ``convert``.
    """

    path: Path
    source: Any
    result: Any


class Artifacts:
    """Artifacts of untrained networks at 64x64, and of the shipped one. Each is converted once, when it is first used.

    Args:
        folder: the folder of the artifacts, which all processes of a test run share.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[Any, Made] = {}
        self._sources: dict[str, Any] = {}
        self._prepared: dict[Any, Any] = {}
        self._shared: dict[Any, dict[str, bytes]] = {}

    def __call__(self, table: str = "tsm", precision: str = "int8", target: str = "tflite", **options: Any) -> Made:
        """Return an artifact. ``made("tsm", "int8", "onnx")`` is one of the model "tsm_mobilenet_v2".

        Args:
            table: shift table, such as "tsm", or name of a model, such as "tsm_mobilenet_v2", or "shipped".
            precision: "fp32", "fp16" or "int8".
            target: name of the target.
            options: other fields of ``edgeshift.converters.Options``.
        """
        from edgeshift.converters import Options, convert
        from edgeshift.targets import find_target

        key = (table, precision, target, *sorted(options.items()))
        missing = [m for m in find_target(target).converter_packages.values() if importlib.util.find_spec(m) is None]
        if missing:
            pytest.skip(f"{missing[0]} is not installed")
        if key not in self._made:
            source = self.source(table)
            with self._locked(key) as (path, result):
                if not result.exists():
                    all_options = Options(precision=precision, **options)  # type: ignore[arg-type]
                    prepared = None
                    if all_options.clip is None:  # frame by frame: conversions of all precisions share their first part
                        prepared = self.prepared(table, precision, fresh_states=all_options.fresh)
                    converted = convert(source, target, path, all_options, prepared=prepared)
                    result.write_bytes(pickle.dumps(converted))
                self._made[key] = Made(path, source, pickle.loads(result.read_bytes()))
        return self._made[key]

    def source(self, table: str) -> Any:
        """Return the untrained checkpoint of a shift table or model, or the shipped one for "shipped"."""
        if table not in self._sources:
            self._sources[table] = self._load(table)
        return self._sources[table]

    @staticmethod
    def _load(table: str) -> Any:
        from edgeshift.checkpoints.source import default_source, untrained_source

        if table == "shipped":
            return default_source()
        return untrained_source(table if "_" in table else f"{table}_mobilenet_v2", size=64)

    def prepared(self, table: str, precision: str = "int8", *, fresh_states: bool = False) -> Any:
        """Return the part of a conversion that all targets share. All precisions share the exported float graphs."""
        from edgeshift.converters import Options
        from edgeshift.converters.pipeline import prepare

        key = (table, precision == "int8", fresh_states)
        if key not in self._prepared:
            options = Options(precision=precision, fresh_states=fresh_states)  # type: ignore[arg-type]
            shared = self._shared.setdefault((table, fresh_states), {})
            self._prepared[key] = replace(prepare(self.source(table), options), shared=shared)
        return self._prepared[key]

    def job(self, target: str, precision: str = "int8", table: str = "tsm", step: Any = None) -> Any:
        """Return a conversion job. int8 is calibrated on one clip. TFLite and ONNX reuse an exported float graph."""
        from edgeshift._system.progress import Stages
        from edgeshift.artifact.file import read_artifact
        from edgeshift.converters.job import Job
        from edgeshift.targets import find_target

        prepared, record = self.prepared(table, precision), find_target(target)
        shared = {} if step else dict(prepared.shared)
        if step is None and target in ("tflite", "onnx"):
            shared[target] = read_artifact(self(table, "fp32", target).path).body
        return Job(
            target=record,
            source=self.source(table),
            step=step or prepared.step,
            precision=precision,  # type: ignore[arg-type]
            samples=prepared.samples[:3],
            float_boundary=False,
            stages=Stages(),
            backend=record.backend(None),
            shared=shared,
        )

    def add(self, converted: Any, table: str) -> None:
        """Move an artifact here that a test has converted from ``source(table)`` with default options."""
        spec = converted.spec
        with self._locked((table, spec.precision, spec.target)) as (path, result):
            if not result.exists():
                shutil.move(converted.path, path)
                result.write_bytes(pickle.dumps(replace(converted, path=path)))

    @contextmanager
    def _locked(self, key: tuple[Any, ...]) -> Iterator[tuple[Path, Path]]:
        """Hold the lock of an artifact. Yield its path and the path of its pickled result."""
        from edgeshift.targets import find_target

        path = self._folder / ("_".join(map(str, key)).replace(" ", "") + find_target(key[2]).suffix)
        with path.with_name(f"{path.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield path, path.with_name(f"{path.name}.result")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    """Return the artifacts that all tests share. ``made("tsm", "int8", "onnx")`` converts one at its first use."""
    pytest.importorskip("torch", reason="the converters are not installed")
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if WORKER else base) / "artifacts"
    folder.mkdir(exist_ok=True)
    return Artifacts(folder)


@pytest.fixture(scope="session")
def clip_artifact(made: Artifacts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an fp32 TFLite artifact of an untrained network, for clips of 4 frames with an answer every 3 frames."""
    from edgeshift.converters import ClipOptions

    path = tmp_path_factory.mktemp("clip") / "clip.tflite"
    shutil.copy(made("tsm", "fp32", clip=ClipOptions(4, hop=3)).path, path)
    return path


@pytest.fixture(scope="session")
def arm() -> Path:
    """Return the folder with the aarch64 Python."""
    from arm import MissingError, find_arm

    try:
        return find_arm()
    except MissingError as error:
        pytest.skip(f"no aarch64 Python: {error}")


@pytest.fixture(scope="session")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the agent's file, from which a Python without edgeshift imports edgeshift."""
    from edgeshift.benchmarks.devices.agent import build_agent

    file = tmp_path_factory.mktemp("agent") / "agent.pyz"
    build_agent(file)
    return file


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder of real clips beside the repository. Tests that need it are skipped if it does not exist."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real clips here: ../shared/data is not part of the repository")
    return folder
