"""``--aot``: LiteRT compiles the int8 graph for the NPU of a phone's chip.

No SDK of a vendor can be installed here, and no NPU is here. A double of LiteRT's compiler returns graphs such as the
real one returns. Where onnxruntime-qnn is installed, LiteRT's own compiler runs with Qualcomm's libraries from it.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from dispatched import dispatched

from edgeshift._system.npus import VENDORS, chips, compiled_for, find_chip, require_sdk
from edgeshift.artifact.file import read_artifact
from edgeshift.converters import Options, convert, default_path, require_choices
from edgeshift.errors import AcceleratorError, CheckFailedError, ConversionError, EdgeshiftError, RuntimeMissingError
from edgeshift.runtimes import load
from edgeshift.runtimes.lint import lint
from edgeshift.runtimes.pytorch import reference
from edgeshift.stream.selfcheck import check_frames
from edgeshift.targets import find_target

aot_compile = pytest.importorskip("ai_edge_litert.aot.aot_compile")
SIGNATURE = inspect.signature(aot_compile.aot_compile)
CHIP = "SM8650"


def install_sdk(monkeypatch, libraries: Callable[..., Path | None], vendor: int = 0) -> None:
    """Let a module stand for the SDK of a vendor. ``libraries`` returns the folder of its libraries."""
    module = ModuleType(VENDORS[vendor].sdk)
    module.__spec__ = ModuleSpec(module.__name__, None)
    module.path_to_sdk_libs = libraries  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.fixture
def compiler(monkeypatch, tmp_path):
    """Return a function that replaces LiteRT's compiler by one that applies a function to the bytes of the graph."""

    install_sdk(monkeypatch, lambda: tmp_path)

    def install(compiled: Callable[[bytes], bytes]) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []

        def double(*given: Any, **named: Any) -> Any:
            arguments = SIGNATURE.bind(*given, **named).arguments  # what the real function refuses is refused here
            calls.append(arguments)
            path = Path(arguments["output_dir"]) / "model_apply_plugin.tflite"
            path.write_bytes(compiled(arguments["input_model"].model_bytes))
            from ai_edge_litert.aot.core import aot_types

            model = aot_types.Model.create_from_path(path)
            return aot_types.CompilationResult(models_with_backend=[(SimpleNamespace(), model)])

        monkeypatch.setattr(aot_compile, "aot_compile", double)
        return calls

    return install


def converted(made, path: Path, **options: Any) -> Any:
    """Convert the untrained TSM at 64x64 for ``CHIP``."""
    chosen = Options(aot=CHIP, **options)
    return convert(made.source("tsm"), "tflite", path, chosen, prepared=made.prepared("tsm"))


def test_the_graph_is_compared_before_and_compiled_after(made, tmp_path, compiler):
    calls = compiler(dispatched)
    path = tmp_path / "a.tflite"
    result = converted(made, path)
    (call,) = calls
    assert repr(call["target"]) == "Qualcomm_SM8650" and call["keep_going"] is False
    plain = made("tsm", "int8", "tflite").result.spec
    spec = read_artifact(path).spec
    assert spec == result.spec
    # What was compiled is the graph that passed the comparison, and nothing is said of the compiled one.
    assert read_artifact(path).body == dispatched(read_artifact(made("tsm", "int8", "tflite").path).body)
    assert spec.parity is None and result.before == plain.parity and result.before.frames == 32
    assert result.unproven.startswith("not verified here: only an NPU of Qualcomm SM8650 runs the file")
    assert (spec.input, spec.output, spec.states) == (plain.input, plain.output, plain.states)
    assert spec.graph.backend == "npu Qualcomm SM8650" and compiled_for(spec.graph.backend) == "Qualcomm SM8650"
    assert (spec.graph.operators, spec.graph.partitions, spec.graph.delegated) == ({"DISPATCH_OP": 1}, 1, 1.0)
    assert spec.graph.outside == {} and "ai-edge-litert-sdk-qualcomm" in spec.tools


def test_the_self_check_has_the_logits_of_the_original(made, tmp_path, compiler):
    compiler(dispatched)
    check = converted(made, tmp_path / "a.tflite").spec.check
    assert check.reference == "original"
    stream = reference(made.source("tsm")).stream()
    own = np.stack([stream.step(frame).logits for frame in check_frames(check.seed, len(check.logits), 64, 64)])
    np.testing.assert_allclose(check.logits, own, atol=1e-4)


def test_operators_outside_are_listed(made, tmp_path, compiler, capsys):
    from edgeshift.cli.convert_text import show_one

    compiler(lambda body: dispatched(body, outside=2))
    result = converted(made, tmp_path / "a.tflite")
    graph = result.spec.graph
    total = sum(made("tsm", "int8", "tflite").result.spec.graph.operators.values())
    assert sum(graph.outside.values()) == 2 and graph.delegated == pytest.approx(1 - 2 / total)
    assert graph.delegated > 0.95, "a CPU's delegate would give no warning"
    show_one(result, as_json=False)
    out, err = capsys.readouterr()
    names = ", ".join(f"{count} {kind}" for kind, count in graph.outside.items())
    assert "of operators are delegated; not delegated: " + names in err
    assert "on the NPU of Qualcomm SM8650, 1 partition" in out and "before compilation" in out
    assert "not verified here" in err and "inspect" in out and "edgeshift demo" not in out


def test_a_compiler_that_compiles_nothing_is_an_error(made, tmp_path, compiler):
    compiler(lambda body: body)
    with pytest.raises(ConversionError, match="can compile none of the operators for Qualcomm SM8650"):
        converted(made, tmp_path / "a.tflite")
    assert not (tmp_path / "a.tflite").exists()


def test_a_compiler_that_changes_a_tensor_is_an_error(made, tmp_path, compiler):
    def shift(model: Any) -> None:
        graph = model.subgraphs[0]
        logits = next(entry for entry in model.signatureDefs[0].outputs if entry.name == b"logits")
        graph.tensors[logits.tensorIndex].quantization.zeroPoint = [5]

    compiler(lambda body: dispatched(body, change=shift))
    with pytest.raises(ConversionError, match=r"compilation for Qualcomm SM8650 changed logits"):
        converted(made, tmp_path / "a.tflite")
    compiler(lambda body: b"TFL3 nothing")
    with pytest.raises(ConversionError, match="cannot read the graph that it compiled") as caught:
        converted(made, tmp_path / "a.tflite")
    assert "\n" not in str(caught.value) and not (tmp_path / "a.tflite").exists()


def test_a_compiler_that_fails_is_one_line(made, tmp_path, compiler):
    log = tmp_path / "tool.error"
    log.write_text("INFO: start\nERROR: [a/b.cc:504]\n└ no kernel for this chip\nINFO: end\n")

    def fail(body: bytes) -> bytes:
        raise ValueError(f"apply_plugin failed to apply plugin. See {log} for details.")

    compiler(fail)
    with pytest.raises(ConversionError) as caught:
        converted(made, tmp_path / "a.tflite")
    assert str(caught.value) == "LiteRT cannot compile the graph for Qualcomm SM8650: no kernel for this chip"
    assert not log.exists() and not (tmp_path / "a.tflite").exists()


def test_a_graph_that_fails_its_comparison_is_not_compiled(made, tmp_path, compiler, monkeypatch):
    calls = compiler(dispatched)
    monkeypatch.setattr("edgeshift.converters.pipeline.failures", lambda *_, **__: ["it differs"])
    with pytest.raises(CheckFailedError, match="does not match the original"):
        converted(made, tmp_path / "a.tflite")
    assert not calls and not (tmp_path / "a.tflite").exists()


def test_a_computer_says_where_it_runs(made, tmp_path, compiler, capsys):
    from edgeshift.cli import main

    compiler(dispatched)
    path = tmp_path / "a.tflite"
    converted(made, path)
    where = r"is compiled for the NPU of Qualcomm SM8650, and only an Android app on a phone with this chip can run it"
    for options in ({}, {"backend": "interpreter"}, {"accelerator": "gpu"}, {"isolate": True}):
        with pytest.raises(EdgeshiftError, match=where) as caught:
            load(path, **options)
        assert "\n" not in str(caught.value) and "hostile" not in str(caught.value)
    with pytest.raises(AcceleratorError, match="for this machine, convert without --aot"):
        load(path)
    with pytest.raises(EdgeshiftError, match="which leaves no operators to check"):
        lint(read_artifact(path))
    for command, status in (("verify", 2), ("lint", 2), ("inspect", 0)):
        with pytest.raises(SystemExit) as ended:
            main([command, str(path)])
        assert (ended.value.code or 0) == status
    out = capsys.readouterr().out
    assert "not verified: only the NPU of Qualcomm SM8650 runs it" in out and "edgeshift verify" not in out


def test_a_binary_that_the_description_hides_is_refused(made, tmp_path, compiler):
    """The description says that the CPU runs the file, but its graph runs other code."""
    from edgeshift.artifact.file import write_artifact
    from edgeshift.errors import ArtifactError

    plain = read_artifact(made("tsm", "int8", "tflite").path)
    path = tmp_path / "a.tflite"
    write_artifact(path, dispatched(plain.body), plain.spec)
    with pytest.raises(ArtifactError, match="it has the operator CUSTOM, which runs other code"):
        load(path)


def test_refusals_before_the_work(made, monkeypatch, tmp_path):
    def refused(target: str, **options: Any) -> str:
        with pytest.raises(EdgeshiftError) as caught:
            require_choices(find_target(target), Options(aot=CHIP, **options))
        return str(caught.value)

    assert refused("onnx") == "--aot is for the target tflite, not for onnx: leave it out"
    assert refused("tflite", precision="fp16") == "--aot compiles int8 graphs, not fp16: use --precision int8"
    assert "leave one of the two out" in refused("tflite", device="mali")
    with pytest.raises(ConversionError, match=r"unknown chip 'SM8651'; did you mean SM8650"):
        convert(made.source("tsm"), "tflite", tmp_path / "a.tflite", Options(aot="SM8651"))


@pytest.mark.skipif(
    any(importlib.util.find_spec(vendor.sdk) is not None for vendor in VENDORS), reason="an SDK is installed"
)
@pytest.mark.parametrize(("chip", "vendor"), [("SM8650", 0), ("MT6989", 1), ("Tensor_G5", 2)])
def test_a_missing_sdk_is_one_line(chip, vendor):
    title, package = VENDORS[vendor].title, VENDORS[vendor].package
    wanted = (
        f"--aot {chip} needs {title}'s SDK, which is not installed: pip install {package} (it downloads proprietary"
    )
    with pytest.raises(RuntimeMissingError) as caught:
        require_choices(find_target("tflite"), Options(aot=chip))
    assert str(caught.value).startswith(wanted) and "\n" not in str(caught.value)


def test_an_sdk_without_its_libraries_is_one_line(tmp_path, monkeypatch):
    """Installing the package succeeds even if its download fails."""
    for folder in (None, tmp_path / "gone"):
        install_sdk(monkeypatch, lambda folder=folder: folder)
        with pytest.raises(RuntimeMissingError, match=r"could not be downloaded .*qualcomm --force-reinstall"):
            require_sdk(find_chip(CHIP))

    def refuse() -> Path:
        raise NotImplementedError("only on\nLinux")

    install_sdk(monkeypatch, refuse)
    with pytest.raises(RuntimeMissingError, match=r"cannot be used here: only on Linux$"):
        require_sdk(find_chip(CHIP))


def test_chips_are_those_of_litert():
    """The names and functions that edgeshift uses are those of the installed package."""
    known = chips()
    for vendor in VENDORS:
        target = importlib.import_module(vendor.module)
        names = [name for name, chip in known.items() if chip.vendor == vendor]
        assert sorted(names) == sorted(member.value for member in target.SocModel if member.value != "ALL") and names
        for name in names:
            made = target.Target(target.SocModel(name))
            assert made.flatten()["soc_model"] == name
        package = vendor.module.removesuffix(".target")
        backend = importlib.import_module(f"{package}.{package.rpartition('.')[2]}_backend")
        source = inspect.getsource(backend)  # LiteRT imports the SDK by this name
        assert f"import {vendor.sdk} " in source and "path_to_sdk_libs(" in source
    assert find_chip("sm8650-AC") == find_chip("SM8650") and find_chip("Tensor G5").title == "Google Tensor_G5"
    assert {"input_model", "output_dir", "target", "keep_going"} <= SIGNATURE.parameters.keys()


def test_mediatek_has_an_sdk_for_each_generation(tmp_path, monkeypatch):
    (tmp_path / "v8").mkdir()
    install_sdk(monkeypatch, lambda version: tmp_path / version, vendor=1)
    require_sdk(find_chip("MT6989"))
    with pytest.raises(RuntimeMissingError, match="could not be downloaded"):
        require_sdk(find_chip("MT6993"))  # it needs version 9, whose folder is missing


def test_without_a_compiler(monkeypatch):
    for vendor in VENDORS:
        monkeypatch.setitem(sys.modules, vendor.module, None)
    assert chips() == {}
    with pytest.raises(RuntimeMissingError, match=r"--aot SM8650 needs ai-edge-litert"):
        find_chip("SM8650")


def test_names_of_files_have_the_chip(made):
    source = made.source("tsm")
    assert str(default_path(source, "tflite", "int8", aot="sm8650")) == "tsm_mobilenet_v2_int8_SM8650.tflite"
    assert str(default_path(source, "tflite", "int8")) == "tsm_mobilenet_v2_int8.tflite"


def test_litert_without_the_sdk_is_one_line(made, tmp_path):
    """LiteRT's own compiler, with no library of a vendor."""
    from edgeshift.converters.tflite.aot import compile_graph

    if importlib.util.find_spec(VENDORS[0].sdk) is not None:
        pytest.skip("Qualcomm's SDK is installed")
    body = read_artifact(made("tsm", "int8", "tflite").path).body
    with pytest.raises(ConversionError, match=r"cannot compile the graph for Qualcomm SM8650: .*libQnn") as caught:
        compile_graph(body, find_chip(CHIP))
    assert "\n" not in str(caught.value)


@pytest.fixture
def qualcomm(tmp_path, monkeypatch) -> None:
    """Qualcomm's libraries from onnxruntime-qnn in place of the SDK's. The one that is missing is never called."""
    package = importlib.util.find_spec("onnxruntime_qnn")
    if package is None or package.origin is None or sys.platform != "linux" or shutil.which("cc") is None:
        pytest.skip("onnxruntime-qnn or a C compiler is not installed, or this is not Linux")
    folder = Path(package.origin).parent
    libraries = tmp_path / "qnn"
    libraries.mkdir()
    for library in (*folder.glob("*.so"), *folder.with_name("onnxruntime_qnn.libs").glob("*")):
        (libraries / library.name).symlink_to(library)
    command = ["cc", "-shared", "-x", "c", "/dev/null", "-o", str(libraries / "libQnnLpai.so")]
    subprocess.run(command, check=True)
    install_sdk(monkeypatch, lambda: libraries)


@pytest.mark.slow
@pytest.mark.usefixtures("qualcomm")
def test_litert_compiles_the_graph_whole(made, tmp_path):
    path = tmp_path / "a.tflite"
    result = converted(made, path)
    assert (result.spec.graph.operators, result.spec.graph.outside) == ({"DISPATCH_OP": 1}, {})
    body = read_artifact(path).body
    # The binary is after the tables. The description that edgeshift appends must not move it.
    assert path.read_bytes().startswith(body) and b"qnn_partition_0" in body and b"SM8650" in body
    assert str(Path.home()).encode() not in body and b"/tmp" not in body
    again = converted(made, tmp_path / "b.tflite")
    assert again.spec.body_sha256 == result.spec.body_sha256
    with pytest.raises(AcceleratorError, match="is compiled for the NPU of Qualcomm SM8650"):
        load(path)


@pytest.mark.slow
@pytest.mark.usefixtures("qualcomm")
def test_litert_leaves_operators_outside(tmp_path):
    """Two parts around an operator that Qualcomm's NPU does not have."""
    torch = pytest.importorskip("torch")
    litert_torch = pytest.importorskip("litert_torch")
    from edgeshift.converters.tflite.aot import compile_graph
    from edgeshift.converters.tflite.graph import read_graph

    class Angle(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = torch.nn.Conv2d(3, 8, 3), torch.nn.Conv2d(8, 8, 3)

        def forward(self, x: Any) -> Any:
            y = self.first(x)
            return self.last(torch.relu(torch.atan2(y, y + 1)))

    path = tmp_path / "angle.tflite"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        litert_torch.convert(Angle().eval(), (torch.zeros(1, 3, 16, 16),)).export(str(path))
    compiled = compile_graph(path.read_bytes(), find_chip(CHIP))
    assert [operator.kind for operator in read_graph(compiled).operators] == ["DISPATCH_OP", "ATAN2", "DISPATCH_OP"]
