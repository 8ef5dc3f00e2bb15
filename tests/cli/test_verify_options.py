"""``edgeshift verify`` reads a checkpoint as ``edgeshift convert`` was told to read it."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import pytest
from doubles import LABELS, stream_spec

from edgeshift.models import ModelConfig
from edgeshift.runtimes import original

SHA = "a" * 64


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"table": "tsm", "div": 4}, {"shift_div": 4, "depth": None, "non_local": None}),
        ({"table": "tsam", "depth": 3}, {"shift_div": None, "depth": 3, "non_local": None}),
        ({"table": "tsm", "non_local": "dot_product"}, {"shift_div": None, "depth": None, "non_local": "dot_product"}),
    ],
)
def test_what_the_tensors_do_not_show_is_passed_on(monkeypatch, tmp_path, config, expected):
    model = ModelConfig(backbone="resnet50", classes=len(LABELS), size=64, **config)
    spec = stream_spec(model=model)
    spec = msgspec.structs.replace(spec, weights=msgspec.structs.replace(spec.weights, sha256=SHA))
    given = {}
    monkeypatch.setattr("edgeshift.checkpoints.weights_file.read", lambda path: SimpleNamespace(sha256=SHA))
    monkeypatch.setattr("edgeshift.checkpoints.load_for_streaming", lambda path, **options: given.update(options))
    original._load(spec, tmp_path / "w.pth")
    assert {name: given[name] for name in expected} == expected and given["model"] == spec.model.name
