"""``edgeshift doctor`` on this machine, and on simulated machines that lack packages."""

from __future__ import annotations

import json
import sys

import pytest

from edgeshift._system.progress import Stages
from edgeshift.benchmarks.devices import emulated
from edgeshift.cli import doctor
from edgeshift.errors import SoundError, install_command
from edgeshift.targets import TARGETS


def test_this_machine_is_reported(run):
    status, out, _ = run("doctor", "--json")
    document = json.loads(out)
    rows = {row["target"]: row for row in document["targets"]}
    assert status == 0 and list(rows) == list(TARGETS)
    assert rows["tflite"]["run"] is None and rows["tflite"]["versions"]["ai-edge-litert"]
    assert rows["tensorrt"]["run"] == "tensorrt: not installed"
    assert document["device"]["cores"] >= 1
    accelerators = {each["through"]: each for each in document["accelerators"]}
    gpu = accelerators["ai-edge-litert"]
    assert gpu["name"] == "gpu" and gpu["version"] == rows["tflite"]["versions"]["ai-edge-litert"]
    assert accelerators["onnxruntime-qnn"]["name"] == "npu" and not accelerators["tensorrt"]["drivers"]


def test_the_emulator_of_boards_is_listed(monkeypatch, tmp_path):
    monkeypatch.setattr(emulated.shutil, "which", lambda name: None)
    found = emulated.find_emulator()
    assert (
        found.version is None
        and "apt install qemu-user-static" in found.remark
        and found.name == "cortex-a72, cortex-a76"
    )
    qemu = tmp_path / "qemu-aarch64-static"
    qemu.write_text("#!/bin/sh\necho 'qemu-aarch64 version 7.2.22 (Debian 1:7.2)'\n")
    qemu.chmod(0o755)
    monkeypatch.setattr(emulated.shutil, "which", lambda name: str(qemu))
    monkeypatch.setattr(emulated, "AGENTS", tmp_path)
    found = emulated.find_emulator()
    assert found.version == "7.2.22" and "run `make agents`" in found.remark
    (tmp_path / "edgeshift-agent-aarch64").touch()
    assert "run `make agents`" in emulated.find_emulator().remark
    (tmp_path / "glibc-aarch64").mkdir()
    (tmp_path / "glibc-aarch64" / "ld-linux-aarch64.so.1").touch()
    assert emulated.find_emulator().remark == "edgeshift verify --accelerator cortex-a72 uses it"
    qemu.write_text("#!/bin/sh\nexit 1\n")
    assert emulated.find_emulator().version == ""


def test_drivers_of_gpus_are_listed(run, monkeypatch, tmp_path):
    driver = tmp_path / "driver.json"
    driver.write_text("{}")
    monkeypatch.setenv("VK_ICD_FILENAMES", str(driver))
    assert f"{driver}, edgeshift verify --accelerator gpu tries it" in run("doctor").out
    monkeypatch.setenv("VK_ICD_FILENAMES", str(tmp_path / "missing.json"))
    assert "no Vulkan driver was found" in run("doctor").out


@pytest.fixture
def machine(monkeypatch):
    """A function that simulates a machine: ``machine({package: version}, {module: why its import fails})``."""

    def simulate(versions: dict[str, str], broken: dict[str, str]) -> dict[str, doctor.TargetStatus]:
        monkeypatch.setattr(doctor, "_version", versions.get)
        monkeypatch.setattr(doctor, "_import", broken.get)
        monkeypatch.setattr("edgeshift.runtimes.tflite.package_version", versions.get)
        return {row.target: row for row in doctor.examine(Stages())}

    return simulate


def test_missing_packages_are_named_with_their_fix(machine, monkeypatch):
    monkeypatch.setattr("numpy.__version__", "1.26.4")  # which tflite-runtime 2.14 needs
    versions = {"tflite-runtime": "2.14.0", "coremltools": "9.0", "torch": "2.13.0", "onnx": "1.23.2"}
    rows = machine(versions, {"coremltools": "ImportError: libfoo.so is gone"})
    assert rows["tflite"].run is None, "one of its two runtimes is enough"
    assert rows["tflite"].versions == {"tflite-runtime": "2.14.0"}
    assert rows["onnx"].convert == "onnxscript: not installed; onnxruntime: not installed"
    assert rows["onnx"].run == "onnxruntime: not installed"
    fixes = {"convert": install_command("convert"), "run onnx": install_command("onnx")}
    assert rows["onnx"].fixes == fixes
    assert rows["coreml"].run == "coremltools: ImportError: libfoo.so is gone"
    assert "JetPack" in rows["tensorrt"].fixes["run tensorrt"]


def test_a_package_that_is_imported_but_cannot_run_is_reported(machine, monkeypatch):
    monkeypatch.setattr("numpy.__version__", "2.4.6")
    rows = machine({"tflite-runtime": "2.14.0"}, {})
    assert rows["tflite"].run.endswith(
        "tflite-runtime: tflite-runtime 2.14.0 was built for numpy 1 and cannot run with numpy 2.4.6: "
        "pip install 'numpy<2', or install ai-edge-litert instead"
    )
    monkeypatch.setattr("numpy.__version__", "1.26.4")
    assert machine({"tflite-runtime": "2.14.0"}, {})["tflite"].run is None


def test_without_torch_nothing_can_be_converted(machine):
    packages = {package for target in TARGETS.values() for package in target.converter_packages}
    rows = machine(dict.fromkeys(packages, "1.0"), {"torch": "ImportError: libtorch.so is damaged"})
    assert {row.convert for row in rows.values()} == {"torch: ImportError: libtorch.so is damaged"}
    assert all(row.convert.startswith("torch: not installed; ") for row in machine({}, {}).values())


def test_each_fix_is_printed_once(run, machine):
    machine({"ai-edge-litert": "2.3.0"}, {})
    status, text, _ = run("doctor")
    assert status == 0 and "ai-edge-litert 2.3.0" in text and "cannot run: executorch: not installed" in text
    assert text.count(install_command("convert")) == 1 and "this device" in text
    notes = "cannot convert" not in text and text.count("nothing can be converted here") == 1
    assert notes, "on a device, one line says what is not installed for conversion"
    assert text.splitlines()[-1] == "next: edgeshift verify FILE", "nothing can be converted here"


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("nothing_of_that_name", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "the import crashed with status -11"),
        ("time; time.sleep(60)", "the import took more than 1 s"),
    ],
)
def test_a_failed_import_is_explained(module: str, reason: str, monkeypatch):
    monkeypatch.setattr(doctor, "MAX_SECONDS", 1 if "sleep" in module else 60)
    assert doctor._import(module) == reason


@pytest.mark.parametrize(
    ("through", "inputs", "problem", "text"),
    [
        ("sounddevice", ["0 (USB)", "3 (built in)"], None, "through sounddevice: 0 (USB), 3 (built in)"),
        ("sounddevice", [], None, "through sounddevice: none is connected"),
        (
            "arecord",
            [],
            "not installed: do this",
            "through arecord; arecord -L lists the names (not installed: do this)",
        ),
        (None, [], "not installed: do this", "cannot be used: not installed: do this"),
    ],
)
def test_the_facts_say_whether_a_microphone_can_be_used(through, inputs, problem, text):
    status = {"through": through, "inputs": inputs, "problem": problem, "fix": None}
    assert doctor._microphone_text(status) == text


def test_a_machine_without_sounddevice_uses_arecord(monkeypatch):
    from edgeshift.apps.camera.microphones import arecord, find

    monkeypatch.setitem(sys.modules, "sounddevice", None)
    monkeypatch.setattr(arecord, "available", lambda: True)
    assert find.examine().through == "arecord" and find.find_microphone("plughw:1").name == "plughw:1"
    monkeypatch.setattr(arecord, "available", lambda: False)
    status = find.examine()
    assert status.through is None and "[microphone" in status.fix and "apt install alsa-utils" in status.fix
    with pytest.raises(SoundError, match="apt install libportaudio2, or apt install alsa-utils"):
        find.find_microphone("default")


def test_a_machine_without_portaudio_says_how_to_install_it(monkeypatch, tmp_path):
    from edgeshift.apps.camera.microphones import portaudio

    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(SoundError, match=r"PortAudio library not found\): apt install libportaudio2"):
        portaudio.load()


def test_the_microphone_is_examined_in_a_process_of_its_own(monkeypatch):
    found = doctor.examine_microphone()
    assert set(found) == {"through", "inputs", "problem", "fix"} and found["through"] in (
        "sounddevice",
        "arecord",
        None,
    )
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert doctor.examine_microphone()["through"] is None
