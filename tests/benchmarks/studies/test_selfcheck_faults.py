"""The self-check finds every fault that the study puts into artifacts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from edgeshift.benchmarks.studies import selfcheck_faults
from edgeshift.stream.selfcheck import self_check

pytestmark = pytest.mark.slow
PLACES, CONVOLUTIONS = 10, 53


@pytest.fixture(scope="module")
def shipped(made) -> Path:
    """Return the shipped TSM as an int8 artifact for TFLite."""
    return made("shipped", "int8").path


def test_every_fault_of_the_shipped_model_is_found(shipped: Path) -> None:
    faults = selfcheck_faults.measure(shipped)
    assert [(fault.kind, fault.name) for fault in faults if not fault.found] == []
    kinds = Counter(fault.kind for fault in faults)
    assert kinds["one state lost"] == PLACES and kinds["frames of another seed"] == 60
    assert kinds["one convolution's weights times 1.05"] == CONVOLUTIONS and kinds["moved by one pixel"] == 4
    assert kinds["two states of one shape swapped"] == 6
    for name in ("channels in the order BGR", "mirrored", "upside down", "all states lost"):
        assert kinds[name] == 1


@pytest.mark.parametrize("target", ["onnx", "executorch", "coreml"])
def test_faults_outside_the_graph_are_found_in_other_formats(made, target: str) -> None:
    faults = selfcheck_faults.measure(made("tsm", "int8", target).path, seeds=2)
    assert [(fault.kind, fault.name) for fault in faults if not fault.found] == [] and len(faults) > PLACES


def test_a_fault_that_is_not_found_is_listed(made, capsys: pytest.CaptureFixture[str]) -> None:
    [fault, *_] = selfcheck_faults.measure(made("tsm", "int8").path, seeds=0)
    hidden = selfcheck_faults.msgspec.structs.replace(fault, found=False)
    selfcheck_faults.show([hidden, fault])
    out = capsys.readouterr().out
    assert f"not found: {hidden.file}: {hidden.kind}" in out and "1 of 2" in out


def test_the_interpreter_passes_the_check_of_the_compiled_model(shipped: Path) -> None:
    from edgeshift.runtimes import load

    check = self_check(load(shipped, backend="interpreter"))
    assert check.ok and check.error == 0
