"""Studies that step frame by frame refuse an artifact that takes a whole clip."""

from __future__ import annotations

from pathlib import Path

import pytest
from clip_doubles import clip_model

from edgeshift.artifact.file import write_artifact
from edgeshift.benchmarks.studies import cold_start, selfcheck_faults


@pytest.mark.parametrize("study", [selfcheck_faults, cold_start])
def test_a_clip_artifact_is_refused_in_one_line(study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "clip.tflite"
    write_artifact(path, b"no graph", clip_model(target="tflite")[0].spec)
    assert study.main([str(path)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "this study steps frame by frame, and the artifact takes a clip" in err
