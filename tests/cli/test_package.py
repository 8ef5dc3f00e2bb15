"""``edgeshift package``: modules for apps, which contain all that their build files name."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
from doubles import LABELS, SIZE, stream_spec

from edgeshift.artifact.file import read_artifact
from edgeshift.benchmarks.studies.native_library import litert_library
from edgeshift.errors import EdgeshiftError
from edgeshift.models.config import ModelConfig
from edgeshift.runtimes.app_module import NATIVE, PLATFORMS, require_runnable
from edgeshift.sound import SoundSettings
from edgeshift.stream.selfcheck import BOUNDS
from edgeshift.stream.transcript import read_transcript

#: {platform: files that its module must contain besides the artifact}.
NEEDED = {
    "cpp": ("CMakeLists.txt", "cpp/CMakeLists.txt", "cpp/main.cpp", "src/c_api.cpp"),
    "android": (
        "android/settings.gradle.kts",
        "android/edgeshift/build.gradle.kts",
        "android/edgeshift/src/main/AndroidManifest.xml",
        "android/edgeshift/src/main/cpp/CMakeLists.txt",
        "android/edgeshift/src/androidTest/kotlin/dev/edgeshift/ReplayTest.kt",
        "src/c_api.cpp",
    ),
    "ios": ("Package.swift", "include/module.modulemap", "ios/Sources/Edgeshift/Model.swift", "src/c_api.cpp"),
}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_module_has_the_artifact_sources_readme_and_transcript(run, made, tmp_path, platform):
    artifact, out = made("tsm", "int8").path, tmp_path / "folder" / "module"
    status, text, err = run("package", artifact, "--for", platform, "--out", out, "--json")
    assert status == 0, err
    document = json.loads(text)
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert (document["path"], document["platform"], set(document["files"])) == (str(out), platform, files)
    assert set(NEEDED[platform]) <= files and not (files & {PLATFORMS[platform].readme})
    copies = [name for name in files if name.endswith(artifact.name)]
    assert copies and all((out / name).read_bytes() == artifact.read_bytes() for name in copies)
    (transcript,) = [out / name for name in files if name.endswith(".transcript.json")]
    assert transcript.name == f"{artifact.stem}.transcript.json"
    assert f"{transcript.parent / artifact.name}" in [str(out / name) for name in copies], "the test finds both"
    assert len(read_transcript(transcript).calls) > 20
    readme = (out / "README.md").read_text()
    assert artifact.name in readme and transcript.relative_to(out).as_posix() in readme
    assert not re.findall(r"\$(?:artifact|stem|folder|version|transcript|runtime_steps|open_model)", readme)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder"] and len(list(out.parent.iterdir())) == 1


@pytest.mark.slow
def test_a_core_ml_package_is_part_of_the_module_for_ios(run, made, tmp_path):
    artifact = made("tsm", "fp16", "coreml").path
    status, _, err = run("package", artifact, "--for", "ios", "--out", tmp_path / "m")
    assert status == 0, err
    copy = tmp_path / "m" / "ios" / "App" / artifact.name
    assert read_artifact(copy).body == read_artifact(artifact).body
    assert "CoreMLModel(contentsOf" in (tmp_path / "m" / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("onnxruntime_qnn") is None, reason="the simulator of the NPU is missing")
@pytest.mark.parametrize("platform", ["cpp", "android"])
def test_an_artifact_for_the_npu_is_packed_with_what_its_runtime_needs(run, made, tmp_path, platform):
    artifact, out = made("tsm", "int8", "qnn").path, tmp_path / "m"
    status, _, err = run("package", artifact, "--for", platform, "--out", out)
    assert status == 0, err
    readme = (out / "README.md").read_text()
    assert "libLiteRt" not in readme and not re.findall(r"\$(?:libraries|downloads)", readme)
    assert ("EDGESHIFT_QNN" if platform == "cpp" else "qnn-runtime") in readme
    (transcript,) = out.rglob("*.transcript.json")
    assert (
        transcript.with_name(transcript.name.replace(".transcript.json", ".onnx")).read_bytes() == artifact.read_bytes()
    )
    if platform == "android":
        gradle = (out / "android/edgeshift/build.gradle.kts").read_text()
        assert f'"com.qualcomm.qti:qnn-runtime:{read_artifact(artifact).spec.tools["qnn"]}"' in gradle
    recorded, bound = read_transcript(transcript), BOUNDS["npu"]["int8"]
    assert not recorded.exact and recorded.bounds.states == bound.states, "the NPU rounds more than its simulator"


def test_a_core_ml_package_that_hears_is_refused_because_its_streams_in_an_app_take_frames_only():
    model = ModelConfig("tsam", "mobilenet_v2", len(LABELS), size=SIZE, sound=SoundSettings(seconds=1.0, frames=4))
    spec = stream_spec(target="coreml", model=model)
    with pytest.raises(EdgeshiftError, match=r"^a.mlpackage: the network has a sound segment.*--target tflite"):
        require_runnable(spec, "ios", Path("a.mlpackage"))
    require_runnable(msgspec.structs.replace(spec, target="tflite"), "ios", Path("a.tflite"))
    require_runnable(stream_spec(target="coreml"), "ios", Path("a.mlpackage"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.onnx --for android --out m", "a module for Android takes .tflite or .qnn.onnx: convert with --target tfl"),
        ("a.mlpackage --for cpp --out m", "a module for C++ takes .tflite or .qnn.onnx: convert with --target tflite"),
        ("a.qnn.onnx --for ios --out m", "a module for iOS takes .tflite or .mlpackage: convert with --target tflite"),
        ("a.pte --for ios --out m", "takes .tflite or .mlpackage: convert with --target tflite or --target coreml"),
        ("none.tflite --for cpp --out m", "none.tflite: no such file"),
        ("a.tflite --for cpp --out m", "a.tflite: "),
        ("a.tflite --for cpp --out full", "full: the folder is not empty: give a new one"),
        ("a.tflite --for cpp --out full/file", "full/file: cannot be written"),
        ("a.tflite --for windows --out m", "'windows' is not one of 'android', 'ios', 'cpp'"),
        ("a.tflite --for cpp", "Missing option '--out'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(run, tmp_path, monkeypatch, line, message):
    monkeypatch.chdir(tmp_path)
    Path("a.tflite").write_bytes(b"no artifact")
    Path("full").mkdir()
    Path("full/file").touch()
    status, out, err = run("package", *line.split())
    assert (status, out) == (2, "") and message in err and len(err.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tflite", "full"]


def test_sources_that_are_not_installed_are_one_line(run, tmp_path, monkeypatch):
    monkeypatch.setattr("edgeshift.runtimes.app_module.NATIVE", tmp_path / "none")
    status, _, err = run("package", "a.tflite", "--for", "cpp", "--out", tmp_path / "m")
    assert status == 2 and "the sources of the native runtime are not installed" in err


def test_every_source_that_the_core_is_built_from_is_copied():
    listed = set(re.findall(r"^    (src/\w+\.cpp)$", (NATIVE / "CMakeLists.txt").read_text(), re.MULTILINE))
    assert listed == {f"src/{path.name}" for path in (NATIVE / "src").glob("*.cpp")}, "Swift builds all of the folder"


@pytest.mark.slow
def test_the_module_for_cpp_is_built_and_its_test_passes(run, made, clip_artifact, tmp_path):
    """A second artifact is put beside the first one, as a user may do: each one is a test."""
    if missing := [program for program in ("cmake", "g++") if shutil.which(program) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    environment = {**os.environ, "EDGESHIFT_LITERT": str(litert_library())}
    out, other = tmp_path / "module", tmp_path / "other"
    assert run("package", made("tsm", "int8").path, "--for", "cpp", "--out", out).status == 0
    assert run("package", clip_artifact, "--for", "cpp", "--out", other).status == 0
    for file in (other / "cpp").glob("clip.*"):
        shutil.copy(file, out / "cpp")

    def call(*command: object) -> str:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    call("cmake", "-S", out / "cpp", "-B", out / "build")
    call("cmake", "--build", out / "build", "--parallel", "2")
    said = call("ctest", "--test-dir", out / "build", "--output-on-failure")
    assert "100% tests passed, 0 tests failed out of 4" in said
    assert "self-check passed, LiteRT" in call(out / "build" / "example", next((out / "cpp").glob("*int8*.tflite")))
    artifact = next((out / "cpp").glob("*int8*.tflite"))
    damaged = out / "cpp" / artifact.name
    damaged.write_bytes(artifact.read_bytes()[:-10])
    done = subprocess.run(["ctest", "--test-dir", str(out / "build")], capture_output=True, text=True, env=environment)
    assert done.returncode != 0 and "2 tests failed out of 4" in done.stdout
