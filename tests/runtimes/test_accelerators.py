"""LiteRT's GPU accelerator, on a software GPU where one is installed, and the check of artifacts on accelerators."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import edgeshift
from edgeshift.errors import EdgeshiftError
from edgeshift.runtimes import drivers
from edgeshift.runtimes.accelerated import check_accelerator
from edgeshift.runtimes.drivers import find_accelerators, vulkan_drivers
from edgeshift.runtimes.gpu_log import find_adapter, find_refused
from edgeshift.runtimes.lint.operator_rules import GPU_PAIRS, GPU_REFUSED
from edgeshift.runtimes.vela import find_vela, read_report

LOG = """\
I0000 00:00:1795833304.403778    9222 environment.cc:532] Selected adapter: SwiftShader Device (Subzero), \
arch=swiftshader, vendor=google, backend=Vulkan, adapterType=CPU / Software
ERROR: Following operations are not supported by GPU delegate:
DIV: No support of few identical inputs in the same operation.
RESHAPE: Tensor dimensions must be less than 5. q
RESHAPE: Tensor dimensions must be less than 5. r
2 operations will run on the GPU, and the remaining 2 operations will run on the CPU.
"""


def test_the_log_names_the_gpu_and_what_it_refuses():
    assert find_adapter(LOG) == "SwiftShader Device (Subzero), Vulkan"
    assert find_refused(LOG) == {
        "DIV": "No support of few identical inputs in the same operation",
        "RESHAPE": "Tensor dimensions must be less than 5. q",
    }
    assert find_adapter("") is None and find_refused("ERROR: DIV: no\n") == {}


def test_litert_refuses_what_the_rules_say_it_refuses(gpu):
    """The rules gpu-operator, gpu-same-input-twice and gpu-dimensions, asked from the accelerator itself."""
    tests = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), *filter(None, sys.path)])}
    done = subprocess.run(
        [sys.executable, str(tests / "ask_gpu.py")], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    refused = answers["refused"]
    assert "SwiftShader" in answers["adapter"]
    for kind in GPU_REFUSED:
        assert refused[kind] == {kind: "Operation is not supported"}, kind
    for kind in GPU_PAIRS:
        assert "identical inputs" in refused[kind][kind], kind
    assert "dimensions must be less than 5" in refused["five dimensions"]["LOGISTIC"]
    for kind in ("ADD", "MUL", "LOGISTIC"):  # the accelerator takes these, so that its refusals mean something
        assert refused[kind] == {}, kind


@pytest.mark.parametrize(("table", "precision"), [("tsam", "fp32"), ("tsm", "fp16"), ("tsm", "int8")])
def test_states_on_the_gpu_are_those_of_the_cpu(gpu, made, table, precision):
    done = check_accelerator(made(table, precision, device="mali").path, "gpu")
    assert done.verdict == "computes", done.detail
    assert done.frames == 32 and done.frame is None and done.state is None
    assert done.runtime is not None and "all operators, SwiftShader" in done.runtime
    assert done.share == 1.0
    if precision != "int8":  # the GPU computes an int8 graph in float
        assert done.self_check == ()
        assert done.error is not None and done.error < 1e-5
        assert done.state_error is not None and done.state_error < 1e-5


def test_without_a_gpu_the_check_says_what_is_missing(no_gpu, made):
    done = check_accelerator(made("tsm", "fp32").path, "gpu")
    assert (done.verdict, done.frames) == ("not run", None)
    assert "finds no GPU that it can use: install a Vulkan driver" in done.detail


def test_the_cpu_is_checked_in_the_same_way(made):
    done = check_accelerator(made("tsm", "fp32").path, "cpu")
    assert (done.verdict, done.error, done.state_error) == ("computes", 0.0, 0.0)
    assert done.share == made("tsm", "fp32").result.spec.graph.delegated
    several = check_accelerator(made("tsm", "int8", "onnx", batch=3).path, "cpu")  # its first camera
    assert (several.verdict, several.error) == ("computes", 0.0), several.detail
    done = check_accelerator(made("tsm", "fp32", "onnx").path, "gpu")
    assert done.verdict == "not run" and ".onnx" in done.detail


def test_the_gpu_is_never_chosen_silently(made):
    path = made("tsm", "fp32").path
    assert edgeshift.load(path).processor == "cpu"
    with pytest.raises(EdgeshiftError, match="unknown accelerator of LiteRT 'gpuu'; did you mean gpu"):
        edgeshift.load(path, accelerator="gpuu")
    with pytest.raises(EdgeshiftError, match="'interpreter' has no accelerator 'gpu'"):
        edgeshift.load(path, accelerator="gpu", backend="interpreter")
    with pytest.raises(EdgeshiftError, match="unknown option of ONNX Runtime 'accelerator'"):
        edgeshift.load(made("tsm", "fp32", "onnx").path, accelerator="gpu")


def test_the_estimate_of_vela_is_read_from_its_report():
    text = "Network summary for x\n\nCPU operators = 2 (1.3%)\nNPU operators = 154 (98.7%)\n"
    row = {"inference_time": "0.001149166", "system_config": "Ethos_U85_SYS_DRAM_Mid"}
    done = read_report(text, row)
    assert done.share == pytest.approx(154 / 156)
    assert (
        done.verdict == "estimate" and "nothing ran: 154 of 156 operators" in done.detail and "1.15 ms" in done.detail
    )
    assert read_report("", row).verdict == read_report(text, {}).verdict == "not run"


def test_vela_estimates_int8_artifacts_only(made, monkeypatch):
    assert "Vela reads int8" in check_accelerator(made("tsm", "fp32").path, "npu").detail
    if find_vela() is not None:
        assert check_accelerator(made("tsm", "int8").path, "npu").verdict == "estimate"
    monkeypatch.setenv("PATH", "")
    if find_vela() is None:
        assert "with ethos-u-vela installed" in check_accelerator(made("tsm", "int8").path, "npu").detail


def test_drivers_are_those_of_the_loader(monkeypatch, tmp_path):
    driver, other, damaged = (tmp_path / name for name in ("driver.json", "other.json", "damaged.json"))
    driver.write_text('{"file_format_version": "1.0.0", "ICD": {"library_path": "./x.so", "api_version": "1.3.275"}}')
    other.write_text('{"ICD": []}')
    damaged.write_bytes(b"\xff{")
    files = (str(driver), str(other), str(damaged))
    monkeypatch.setenv("VK_ICD_FILENAMES", os.pathsep.join([*files, str(tmp_path / "missing.json")]))
    assert vulkan_drivers() == files
    gpu = find_accelerators()[0]
    assert gpu.name == "gpu" and gpu.drivers == (f"{driver} (Vulkan 1.3.275)", *files[1:])


def test_packages_for_accelerators_are_named_whether_installed_or_not():
    found = find_accelerators()
    assert [each.through for each in found if each.name == "gpu"] == [
        "ai-edge-litert",
        "tensorrt",
        "onnxruntime-gpu",
        "torch",
    ]
    npus = [each.through for each in found if each.name == "npu"]
    assert npus[:2] == ["ethos-u-vela", "onnxruntime-qnn"]
    assert npus[2:] == [f"ai-edge-litert-sdk-{vendor}" for vendor in ("qualcomm", "mediatek", "google-tensor")]
    assert all("not installed" in each.remark for each in found if each.version is None)


def test_builds_of_torch_are_told_apart(monkeypatch):
    monkeypatch.setattr(drivers, "nvidia_drivers", lambda: ("NVIDIA driver 550.54",))

    def torch(version: str | None) -> drivers.Accelerator:
        monkeypatch.setattr(drivers, "_version", lambda package: version if package == "torch" else None)
        return next(each for each in find_accelerators() if each.through == "torch")

    assert torch("2.13.0+cpu").remark == "a build for the CPU, without CUDA" and torch(None).remark == "not installed"
    assert torch("2.13.0").drivers and "studies.nvidia" in torch("2.13.0+cu130").remark


def test_packages_for_nvidia_need_a_driver(monkeypatch):
    versions = {"tensorrt": "10.3.0", "onnxruntime-gpu": None}
    monkeypatch.setattr(drivers, "_version", lambda package: versions.get(package))
    remarks = {}
    for found in ((), ("NVIDIA driver 550.54",)):
        monkeypatch.setattr(drivers, "nvidia_drivers", lambda found=found: found)
        remarks[found] = [each.remark for each in find_accelerators() if each.through in versions]
    assert list(remarks.values()) == [
        ["no driver of NVIDIA was found", "not installed"],
        ["runs .trt.onnx files", "not installed"],
    ]


def test_the_versions_of_nvidias_drivers_are_read(monkeypatch, tmp_path):
    driver, jetson = tmp_path / "version", tmp_path / "release"
    driver.write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version:\n"
    )
    jetson.write_text("# R36 (release), REVISION: 3.0, GCID: 36923193, BOARD: generic, EABI: aarch64\n")
    monkeypatch.setattr(drivers, "NVIDIA_FILES", (str(driver), str(jetson), str(tmp_path / "missing")))
    assert drivers.nvidia_drivers() == ("NVIDIA driver 550.54.15", "Jetson Linux 36.3.0")
    driver.write_text("another text 1.2.3\n")
    assert drivers.nvidia_drivers() == ("Jetson Linux 36.3.0",)
