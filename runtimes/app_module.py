"""Write a module for an app: an artifact with the sources of the native runtime, a build file, a README and a test.

The sources are data of this package, in the folder ``native``. A module has the same folders, so that its build files
are those of the repository.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import NamedTuple

from edgeshift import __version__
from edgeshift._system.files import atomic_folder
from edgeshift._system.output_file import require_writable
from edgeshift.artifact.spec import StreamSpec
from edgeshift.errors import EdgeshiftError
from edgeshift.targets import TARGETS, suffix_of

#: The sources of the native runtime.
NATIVE = Path(__file__).parent / "native"
#: What is never part of a module: files that builds leave among the sources.
LEFTOVERS = shutil.ignore_patterns(".*", "build", "__pycache__", "local.properties")
#: Free space that a module needs besides its artifact, bytes.
ROOM = 4 << 20


#: The build file with the libraries of a module for Android, and where it names the version of Qualcomm's runtime.
GRADLE, QNN_RUNTIME = "android/edgeshift/build.gradle.kts", re.compile(r"(qnn-runtime:)[\d.]+")
#: A version of QNN, as the description of an artifact has it.
QNN_VERSION = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}")


class Platform(NamedTuple):
    """A kind of app for which a module can be written.

    Attributes:
        title: name in messages.
        suffixes: suffixes of the artifacts that it runs.
        sources: files and folders of ``NATIVE`` that the module contains.
        readme: the template of its README.md.
        artifact: folders of the module into which the artifact is copied.
        transcript: folder of the module for the artifact's golden transcript, which the test replays.
    """

    title: str
    suffixes: tuple[str, ...]
    sources: tuple[str, ...]
    readme: str
    artifact: tuple[str, ...]
    transcript: str


CORE = ("include", "src")
CMAKE = ("CMakeLists.txt", "edgeshift.map", *CORE)
PLATFORMS = {
    "android": Platform(
        "Android",
        (".tflite", ".qnn.onnx"),
        (*CMAKE, "android"),
        "android/README.md",
        ("android/app/src/main/assets", "android/edgeshift/src/androidTest/assets"),
        "android/edgeshift/src/androidTest/assets",
    ),
    "ios": Platform(
        "iOS",
        (".tflite", ".mlpackage"),
        ("Package.swift", *CORE, "ios"),
        "ios/README.md",
        ("ios/App", "ios/Tests/EdgeshiftTests/Artifacts"),
        "ios/Tests/EdgeshiftTests/Artifacts",
    ),
    "cpp": Platform("C++", (".tflite", ".qnn.onnx"), (*CMAKE, "tools", "cpp"), "cpp/README.md", ("cpp",), "cpp"),
}
#: The part of the README for C++ that depends on the runtime: {suffix: its libraries, and how programs find them}.
CPP_RUNTIMES = {
    ".tflite": """\
LiteRT's library `libLiteRt.so`, which is part of the Python package `ai-edge-litert`:

```console
$ python3 -m venv litert && litert/bin/pip install ai-edge-litert
$ export EDGESHIFT_LITERT=$(ls $PWD/litert/lib/python3*/site-packages/ai_edge_litert/libLiteRt.so)
```""",
    ".qnn.onnx": """\
the libraries of ONNX Runtime and QNN, which are part of the Python packages `onnxruntime` and `onnxruntime-qnn`. On
Linux x86-64, they simulate the NPU. QNN's libraries are proprietary: read their license.

```console
$ python3 -m venv qnn && qnn/bin/pip install onnxruntime onnxruntime-qnn
$ cd qnn/lib/python3*/site-packages
$ export EDGESHIFT_ONNXRUNTIME=$(ls $PWD/onnxruntime/capi/libonnxruntime.so.*)
$ export EDGESHIFT_QNN=$PWD/onnxruntime_qnn/libonnxruntime_providers_qnn.so
$ cd -
```""",
}
#: What the README for Android says of the runtime.
ANDROID_RUNTIMES = {
    ".tflite": "Gradle downloads LiteRT and CameraX.",
    ".qnn.onnx": """\
Gradle downloads ONNX Runtime, QNN and CameraX.
   QNN's libraries are proprietary: read the license of `com.qualcomm.qti:qnn-runtime`. The artifact runs on phones with
   the NPU that it is compiled for, and nowhere else. In your own app, repeat the line with `useLegacyPackaging` of
   `android/app/build.gradle.kts`, because the NPU loads its libraries from files.""",
}
#: The part of the README for iOS that depends on the runtime: {suffix: (steps, line that opens the artifact)}.
IOS_RUNTIMES = {
    ".tflite": (
        "LiteRT runs the artifact. Build or download LiteRT's dynamic library for iOS (LiteRt.xcframework), and embed\n"
        "it in the app. The package opens it when the first artifact is loaded; it is not linked.",
        'let model = try LiteRTModel(path: Bundle.main.path(forResource: "$stem", ofType: "tflite")!)',
    ),
    ".mlpackage": (
        "Core ML runs the artifact, so the app needs no other library. Xcode compiles the package with the app.",
        'let model = try CoreMLModel(contentsOf: Bundle.main.url(forResource: "$stem", withExtension: "mlmodelc")!)',
    ),
}


def require_packable(artifact: Path, platform: str, out: Path) -> None:
    """Check before the work that a module can be written.

    Raises:
        EdgeshiftError: the platform does not run artifacts of this kind, or the folder is not new or empty.
    """
    record = PLATFORMS[platform]
    if suffix_of(artifact) not in record.suffixes:
        kinds = " or ".join(record.suffixes)
        targets = " or ".join(
            f"--target {target.name}" for target in TARGETS.values() if target.suffix in record.suffixes
        )
        raise EdgeshiftError(f"{artifact}: a module for {record.title} takes {kinds}: convert with {targets}")
    if out.is_dir() and any(out.iterdir()):
        raise EdgeshiftError(f"{out}: the folder is not empty: give a new one")
    if not (NATIVE / "CMakeLists.txt").is_file():
        raise EdgeshiftError(
            "the sources of the native runtime are not installed: install the wheel of edgeshift again"
        )
    require_writable(out, ROOM, folder=True)


def require_runnable(spec: StreamSpec, platform: str, where: Path) -> None:
    """Raise an EdgeshiftError if a module could not run the artifact at ``where``, which is described by ``spec``."""
    if platform == "ios" and spec.target == "coreml" and spec.model.sound is not None:
        raise EdgeshiftError(
            f"{where}: the network has a sound segment, and Core ML's streams in an app take frames only: convert with "
            "--target tflite, which hears"
        )


def write_module(
    artifact: Path, platform: str, transcript: bytes, out: Path, tools: Mapping[str, str] | None = None
) -> list[Path]:
    """Write a module. The folder gets its name when it is complete.

    Args:
        artifact: the artifact, a file or a Core ML package.
        platform: a key of ``PLATFORMS``.
        transcript: the golden transcript of the artifact.
        out: the folder to write, which is new or empty.
        tools: versions of the tools that made the artifact, by which the version of QNN is chosen; None: not known.

    Returns:
        The files of the module, relative to its folder.
    """
    record = PLATFORMS[platform]
    transcript_name = f"{record.transcript}/{artifact.stem}.transcript.json"
    with atomic_folder(out) as folder:
        for name in record.sources:
            _copy(NATIVE / name, folder / name)
        for name in record.artifact:
            _copy(artifact, folder / name / artifact.name)
        (folder / transcript_name).parent.mkdir(parents=True, exist_ok=True)
        (folder / transcript_name).write_bytes(transcript)
        if QNN_VERSION.fullmatch(version := (tools or {}).get("qnn", "")) and (folder / GRADLE).is_file():
            build = (folder / GRADLE).read_text(encoding="utf-8")
            (folder / GRADLE).write_text(QNN_RUNTIME.sub(rf"\g<1>{version}", build), encoding="utf-8")
        (folder / record.readme).unlink()
        (folder / "README.md").write_text(_readme(record, artifact, transcript_name, out), encoding="utf-8")
    return sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=LEFTOVERS)
    else:
        shutil.copyfile(source, target)


def _readme(record: Platform, artifact: Path, transcript: str, out: Path) -> str:
    names = {"artifact": artifact.name, "stem": artifact.stem, "folder": out.name, "version": __version__}
    suffix = suffix_of(artifact)
    steps, open_model = IOS_RUNTIMES.get(suffix, ("", ""))
    return Template((NATIVE / record.readme).read_text(encoding="utf-8")).substitute(
        names,
        transcript=transcript,
        runtime_steps=steps,
        open_model=Template(open_model).substitute(names),
        libraries=CPP_RUNTIMES.get(suffix, ""),
        downloads=ANDROID_RUNTIMES.get(suffix, ""),
    )
