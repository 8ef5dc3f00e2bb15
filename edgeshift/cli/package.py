"""``edgeshift package``: write a module for an app, with the artifact and the native runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from edgeshift._system.progress import ProgressBars
from edgeshift.cli.effect import ALWAYS
from edgeshift.cli.options import Artifact, AsJson, option
from edgeshift.cli.output import print_facts, print_json, print_line, print_next, print_note, size_text

#: What is said of a module that no test of edgeshift builds.
NOT_BUILT = "was not built where edgeshift is developed; its README says what was checked, and how to build it"


def run(
    file: Artifact,
    platform: Annotated[Literal["android", "ios", "cpp"], option("Module", "--for", effect=ALWAYS)],
    out: Annotated[Path, option("Output", effect=ALWAYS, metavar="DIR")],
    as_json: AsJson = False,
) -> None:
    """Write a module for an app: the artifact, the sources of the native runtime, a build file, a README and a test.

    The test makes the calls of the artifact's golden transcript and compares the results. The transcript is written
    now, and for that the artifact is run, so its runtime must be installed here.

    For cpp, the module is a CMake project with an example program. For android, it is a Gradle library module with a
    sample app, and for ios, a Swift package with a sample app. android and cpp take .tflite and
    .qnn.onnx artifacts, ios takes .tflite artifacts and Core ML packages.

    Args:
        platform: Kind of the app.
        out: Folder to write. It must be new or empty.

    Examples:
      edgeshift package gestures.tflite --for cpp --out gestures-cpp
      edgeshift package gestures.tflite --for android --out gestures-android
      edgeshift package gestures.mlpackage --for ios --out gestures-ios
    """
    from edgeshift.runtimes import load
    from edgeshift.runtimes.app_module import PLATFORMS, require_packable, require_runnable, write_module
    from edgeshift.stream.replay import write_transcript
    from edgeshift.stream.transcript import encode_transcript
    from edgeshift.stream.transcript_calls import calls_of

    require_packable(file, platform, out)
    bars = ProgressBars()
    with bars.stage("load"):
        model = load(file, isolate=True)
    require_runnable(model.spec, platform, file)
    with bars.stage("record", len(calls_of(model.spec))) as advance:
        transcript = write_transcript(model, advance)
    files = write_module(file, platform, encode_transcript(transcript), out, model.spec.tools)
    if as_json:
        facts = {"platform": platform, "artifact": file.name, "runtime": transcript.runtime}
        print_json({"path": out, **facts, "built_by_edgeshift": platform == "cpp", "files": files})
        return
    size = sum((out / name).stat().st_size for name in files)
    print_facts(
        str(out),
        [
            ("app", PLATFORMS[platform].title),
            ("artifact", file.name),
            ("files", f"{len(files)}, {size_text(size)}"),
            ("test", f"{len(transcript.calls)} calls, recorded with {transcript.runtime}"),
        ],
    )
    if platform == "cpp":
        print_next("cmake", "-S", out / "cpp", "-B", out / "build")
    else:
        print_note(f"a module for {PLATFORMS[platform].title} {NOT_BUILT}")
        print_line(f"next: {out / 'README.md'}")
