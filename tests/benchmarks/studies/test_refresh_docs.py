"""Figures in the documentation: every block has a generator, and those that are made within seconds are up to date."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgeshift.benchmarks.studies import refresh_docs
from edgeshift.benchmarks.studies.docs_generators import GENERATORS
from edgeshift.benchmarks.studies.refresh_docs import Generator, Page, pages, refreshed
from edgeshift.errors import EdgeshiftError

TEXT = "a\n<!-- figures: x -->\nold\n<!-- end of figures -->\nb\n<!-- figures: y -->\n<!-- end of figures -->\n"


def test_a_block_is_replaced_and_the_other_text_stays() -> None:
    text = refreshed(TEXT, {"x": "new\n"})
    assert text == TEXT.replace("old", "new")
    assert refreshed(text, {"y": "| 1 |\n"}).endswith("<!-- figures: y -->\n| 1 |\n<!-- end of figures -->\n")


def test_every_block_of_the_documentation_has_a_generator() -> None:
    names = {name for page in pages() for name in page.names}
    assert names and names <= set(GENERATORS)


def test_blocks_that_are_made_within_seconds_are_up_to_date() -> None:
    command = [sys.executable, "-m", "edgeshift.benchmarks.studies.refresh_docs", "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "page.md"
    path.write_text(TEXT)
    monkeypatch.setattr(refresh_docs, "ROOT", tmp_path)
    monkeypatch.setattr(refresh_docs, "pages", lambda: [Page(path, ("x", "y"))])
    return path


def test_pages_are_rewritten_except_blocks_that_cannot_be_made(page: Path, capsys) -> None:
    generators = {"x": Generator(lambda: "new\n", 2), "y": Generator(lambda: "never\n", 1, needs="data")}
    refresh_docs._refresh(refresh_docs.select([], None, generators), generators)
    assert page.read_text() == TEXT.replace("old", "new")
    text = capsys.readouterr().err
    assert "about 3 minutes" in text and "y: not refreshed: it needs data, which does not exist" in text


def test_an_unknown_page_or_block_is_an_error(page: Path) -> None:
    with pytest.raises(EdgeshiftError, match="has no blocks of figures"):
        refresh_docs.select([page.parent / "other.md"], None, GENERATORS)
    with pytest.raises(EdgeshiftError, match="no generator is called 'x'"):
        refresh_docs.select([], None, GENERATORS)
    with pytest.raises(EdgeshiftError, match="--only z"):
        refresh_docs.select([], "z", {"x": Generator(str), "y": Generator(str)})
