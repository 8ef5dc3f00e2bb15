"""The command that installs an extra works from where edgeshift was installed, and no other form of it is written."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgeshift import errors
from edgeshift.errors import install_command

ROOT = Path(__file__).parents[1]


def test_in_a_clone_it_is_short_and_elsewhere_it_names_the_clone(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    assert install_command("tflite") == 'pip install ".[tflite]"'
    monkeypatch.chdir(tmp_path)
    assert install_command("tflite") == f'pip install "{ROOT}[tflite]"'


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """A function that simulates an installed edgeshift with the origin that pip recorded; None: no record."""
    monkeypatch.setattr(errors, "__file__", str(tmp_path / "site-packages" / "edgeshift" / "errors.py"))

    def simulate(origin: str | None) -> None:
        distribution = SimpleNamespace(read_text=lambda name: origin if name == "direct_url.json" else None)
        monkeypatch.setattr(importlib.metadata, "distribution", lambda name: distribution)

    return simulate


def test_it_names_the_wheel_or_the_url_from_which_edgeshift_was_installed(installed, tmp_path):
    wheel = tmp_path / "my wheels" / "edgeshift-0.1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.touch()
    installed(json.dumps({"url": wheel.as_uri(), "archive_info": {}}))
    assert install_command("onnx") == f'pip install "{wheel}[onnx]"'
    git = {"url": "https://example.org/e.git", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}
    installed(json.dumps(git))
    assert install_command("onnx") == 'pip install "edgeshift[onnx] @ git+https://example.org/e.git@c0ffee"'
    git["vcs_info"]["requested_revision"] = "main"
    installed(json.dumps(git))
    assert install_command("onnx").endswith('@main"')
    installed(json.dumps({"url": "https://example.org/e.whl", "archive_info": {}}))
    assert install_command("onnx") == 'pip install "edgeshift[onnx] @ https://example.org/e.whl"'


@pytest.mark.parametrize("origin", [None, "", "{", "{}", "[]", '{"url": "file:///gone.whl"}', '{"vcs_info": {}}'])
def test_if_the_origin_is_unknown_or_gone_it_says_that_a_clone_is_needed(installed, origin):
    installed(origin)
    assert install_command("onnx") == 'pip install ".[onnx]" (in a clone of edgeshift)'


def test_special_characters_of_the_path_are_quoted_for_the_shell(installed, tmp_path):
    wheel = tmp_path / "$(touch harm)" / "e.whl"
    wheel.parent.mkdir()
    wheel.touch()
    installed(json.dumps({"url": wheel.as_uri()}))
    command = install_command("onnx").replace("pip install", "printf %s")
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout == f"{wheel}[onnx]" and not (tmp_path / "harm").exists()


def test_without_opencv_it_is_installed_too(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert install_command("tflite") == 'pip install ".[tflite,video]"'
    assert install_command("report") == 'pip install ".[report]"'
    assert install_command("window") == 'pip install ".[window]"', "it must not bring a second OpenCV"


def extras() -> dict[str, str]:
    """Return {extra: the text of its list} of pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text().partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    parts = re.split(r"^([a-z]+) = ", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_no_extra_brings_an_opencv_beside_another_one():
    lists = extras()
    with_opencv = {extra for extra, text in lists.items() if "opencv-python" in text}
    assert with_opencv == {"video", "window"}
    containing = {extra for extra, text in lists.items() if re.search(r"edgeshift\[[^]]*\b(video|window)\b", text)}
    assert containing == {"dev"}, "an extra with OpenCV could not be combined with `window`"


def sources() -> list[Path]:
    """Return the files with text for users: documentation and code."""
    folders = [ROOT / name for name in ("docs", "edgeshift", "converters", "runtimes", "benchmarks", "apps")]
    files = [path for folder in folders for kind in ("*.md", "*.py", "*.ts") for path in folder.rglob(kind)]
    files += [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "Makefile"]
    return [path for path in files if not {"node_modules", "built", "__pycache__"} & set(path.parts)]


def test_pages_and_messages_have_no_command_that_needs_a_package_index():
    """edgeshift is not on a package index, where somebody else could take the name."""
    from_index = re.compile(r"pipx? (?:install|download) (?:-\S+ )*[\"'`]?edgeshift\b(?!-|\[\S+ @ )")
    wrong = {path.relative_to(ROOT): from_index.findall(path.read_text()) for path in sources()}
    assert {path: commands for path, commands in wrong.items() if commands} == {}


def test_the_extras_in_pages_exist():
    lists = extras()
    used = re.compile(r"(?:\.|whl\)?\"?)\[([a-z]+(?:,[a-z]+)*)\]")
    named = {extra for path in sources() for match in used.finditer(path.read_text()) for extra in match[1].split(",")}
    assert {"tflite", "convert", "window", "video"} <= named <= lists.keys()
