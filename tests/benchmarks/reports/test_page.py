"""The page: whole, well formed, self-contained, and safe whatever a report says."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import msgspec
import pytest
import reports
from answers import accuracy_report

from edgeshift.benchmarks.reports import make_page
from edgeshift.benchmarks.reports.markup import Markup, join, table, tag, text
from edgeshift.errors import RuntimeMissingError

pytest.importorskip("matplotlib", reason="the extra `report` is not installed")

RIGHT = [True] * 20 + [False] * 10
HASH = "a" * 64


def latency(**changes):
    fp32 = reports.subject(9000, file="fp32.tflite", precision="fp32", seed=1, bytes=9_000_000, steps=1100)
    return reports.report(reports.subject(sha256=HASH, steps=1100), fp32, **changes)


def accuracy():
    return accuracy_report({"tsm_int8.tflite": RIGHT, "other.tflite": [True] * 30}, hashes={"tsm_int8.tflite": HASH})


@pytest.fixture(scope="module")
def page() -> str:
    sustained = reports.subject(repeats=1, steps=500, minutes=reports.minutes(30))
    paced = reports.subject(offered=900, missed=30, steps=900)
    return make_page(
        [
            latency(),
            reports.report(sustained, mode="sustained", minutes=30),
            reports.report(paced, mode="paced", fps=30.0),
            accuracy(),
        ]
    )


def tree(page: str) -> ElementTree.Element:
    """The page as XML, which is stricter than HTML: every element closed, every attribute quoted, no stray &."""
    head, body = page.split("\n", 1)
    assert head == "<!doctype html>"
    return ElementTree.fromstring(body)


def test_it_is_well_formed_and_every_name_is_unique(page):
    root = tree(page)
    names = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(names) == len(set(names)) > 50
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)|aria-labelledby="([^"]+)"', page))
    wanted = {name for found in used for part in found for name in part.split()}
    assert wanted and wanted <= set(names)


def test_it_loads_nothing(page):
    root = tree(page)
    policy = [one.get("content") for one in root.iter("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"]
    assert list(root.find("head"))[1].get("http-equiv") == "Content-Security-Policy"  # before what it is to forbid
    tags = {one.tag for one in root.iter()}
    assert not tags & {"script", "link", "img", "image", "iframe", "object", "embed", "base", "form", "foreignObject"}
    attributes = {(name, value) for one in root.iter() for name, value in one.items()}
    assert all(value.startswith("#") for name, value in attributes if name.endswith(("href", "src")))
    assert not any(name.startswith("on") for name, _ in attributes)
    assert not re.search(r"https?:|//|@import|xlink|xmlns|data:", page)
    assert not re.search(r"url\((?!#)", page)


def test_everything_is_there(page):
    root = tree(page)
    headings = ["".join(one.itertext()) for one in root.iter("h2")]
    assert headings == [
        "Size, speed, accuracy",
        "Latency on Some Board 4 Model B, normal",
        "Latency on Some Board 4 Model B, sustained",
        "Latency on Some Board 4 Model B, paced",
        "Accuracy on clips",
    ]
    figures = [one.text for one in root.iter("b")]
    assert figures.count("How long a step takes") == 4 and figures.count("Steps as they came") == 3
    assert figures.count("Minute by minute") == 1 and figures.count("What was answered") == 2
    assert figures.count("Where the steps lie") == 2 and figures.count("Speed against accuracy") == 1
    assert "66.7% (48.8% to 80.8%, 20 of 30)" in page and "90 of 2,700 frames missed" in page
    assert "p90 5.00 ms in the first minute" in page


def test_it_can_be_read_aloud(page):
    root = tree(page)
    assert root.get("lang") == "en" and len(list(root.iter("h1"))) == 1 and len(list(root.iter("main"))) == 1
    for one in root.iter("svg"):
        title, description = one.find("title"), one.find("desc")
        assert one.get("role") == "img" and title is not None and description is not None
        assert title.text and description.text
        assert one.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    for one in root.iter("table"):
        assert one.find("caption") is not None and any(cell.get("scope") for cell in one.iter("th"))


def test_it_follows_light_and_dark(page):
    assert "prefers-color-scheme: dark" in page and "var(--series-0)" in page
    # Every colour of a plot is one of the page's.
    plots = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert not re.search(r"#[0-9a-f]{6}", plots)
    used = set(re.findall(r"var\((--[a-z0-9-]+)\)", page))
    assert all(page.count(f"{name}: #") == 2 for name in used)


def test_the_same_reports_give_the_same_page():
    assert make_page([latency(), accuracy()]) == make_page([latency(), accuracy()])


def test_another_process_gives_the_same_page(tmp_path):
    document = tmp_path / "r.json"
    document.write_bytes(msgspec.json.encode(accuracy()))
    code = (
        "import sys; from pathlib import Path\n"
        "from edgeshift.benchmarks.reports.documents import read_document as r\n"
        "from edgeshift.benchmarks.reports import make_page\n"
        "sys.stdout.write(make_page([r(Path(sys.argv[1]))]))"
    )
    done = subprocess.run([sys.executable, "-c", code, document], capture_output=True, text=True, check=True)
    assert done.stdout == make_page([accuracy()])


HOSTILE = "</title></style><script>alert(1)</script>\"' onload='x' $\\frac{1}$ &amp; \u4f60\U0001f600 --> ]]>"


def test_text_of_reports_stays_text():
    facts = msgspec.structs.replace(reports.FACTS, board=HOSTILE, processor=HOSTILE, temperatures={HOSTILE: 1.0})
    subject = reports.subject(file=HOSTILE, runtime=HOSTILE, lost=HOSTILE, model=HOSTILE, sha256=HASH, steps=100)
    labels = (HOSTILE, "b", "c")
    answers = accuracy_report({HOSTILE: RIGHT, "x": RIGHT}, hashes={HOSTILE: HASH}, labels=labels, data=HOSTILE)
    page = make_page([reports.report(subject, subject, facts=facts, frames=HOSTILE), answers])
    root = tree(page)
    assert "script" not in {one.tag for one in root.iter()}
    assert not any(name.startswith("on") for one in root.iter() for name, _ in one.items())
    assert HOSTILE in {"".join(one.itertext()) for one in root.iter("h3")}
    assert f"Latency on {HOSTILE}, normal" in {"".join(one.itertext()) for one in root.iter("h2")}

    class Tags(HTMLParser):
        def __init__(self):
            super().__init__()
            self.found = set()

        def handle_starttag(self, name, attributes):
            self.found.add(name)

    reader = Tags()
    reader.feed(page)
    assert not reader.found & {"script", "img"} and "svg" in reader.found


@pytest.mark.parametrize(
    "document",
    [
        reports.report(reports.subject(repeats=0)),
        reports.report(reports.subject(steps=1)),
        reports.report(reports.subject(repeats=1, steps=5), reports.subject(repeats=0, file="b")),
        reports.report(
            reports.subject(**dict.fromkeys(("pre", "infer", "post", "end_to_end"), ()), told={"mean": 5.0})
        ),
        reports.report(reports.subject(**dict.fromkeys(("pre", "infer", "post", "end_to_end"), (0.0,) * 70))),
        reports.report(
            reports.subject(before=reports.reading(None, None, None), after=reports.reading(None, None, None))
        ),
        reports.report(reports.subject(repeats=9, steps=30)),
        reports.report(reports.subject(repeats=1, steps=30, minutes=reports.minutes(1)), mode="sustained", minutes=1),
        accuracy_report({"a": []}),
        accuracy_report({"a": [True] * 90}, labels=[f"label {at} of many" for at in range(45)]),
        accuracy_report({"a": [False]}, labels=("one", "two")),
    ],
)
def test_little_or_odd_data_makes_a_page_too(document):
    assert tree(make_page([document])).tag == "html"


def test_one_report_has_no_contents_and_two_have(page):
    assert not list(tree(make_page([accuracy()])).iter("nav")) and list(tree(page).iter("nav"))


def test_accuracy_belongs_to_a_file_by_its_hash():
    (overview,) = [
        one for one in tree(make_page([latency(), accuracy()])).iter("section") if one.get("id") == "overview"
    ]
    cells = [["".join(cell.itertext()) for cell in row] for row in overview.iter("tr")]
    assert cells[1][1] == "tsm_int8.tflite" and cells[1][-1].startswith("66.7%")
    assert cells[2][1] == "fp32.tflite" and cells[2][-1] == "-"


def test_accuracy_on_two_data_sets_is_not_on_one_axis():
    """The set that most of the files were measured on is shown, and named."""
    both = accuracy_report(
        {"tsm_int8.tflite": RIGHT, "fp32.tflite": RIGHT},
        hashes={"tsm_int8.tflite": HASH, "fp32.tflite": "b" * 64},
        data="the large set",
    )
    other = accuracy_report({"tsm_int8.tflite": [True] * 30}, hashes={"tsm_int8.tflite": HASH}, data="another set")
    fp32 = reports.subject(9000, file="fp32.tflite", precision="fp32", seed=1, bytes=9_000_000, sha256="b" * 64)
    times = reports.report(reports.subject(sha256=HASH), fp32)
    page = make_page([times, other, both, other])
    (overview,) = [one for one in tree(page).iter("section") if one.get("id") == "overview"]
    words = "".join(overview.itertext())
    assert "Right are clips of the large set." in words and "100.0%" not in words and words.count("66.7%") >= 2


def test_two_ways_to_boards_of_one_kind_are_told_apart():
    page = make_page([latency(), latency(device="ssh://pi@board")])
    (overview,) = [one for one in tree(page).iter("section") if one.get("id") == "overview"]
    assert "(local)" in "".join(overview.itertext()) and "(ssh://pi@board)" in "".join(overview.itertext())


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(RuntimeMissingError, match=r'matplotlib.*pip install "edgeshift\[report\]"'):
        make_page([latency()])


def test_markup():
    assert (
        tag("p", "a<b", tag("b", "&"), None, class_="x", title='"')
        == '<p class="x" title="&quot;">a&lt;b<b>&amp;</b></p>'
    )
    assert join("<", Markup("<br />")) == "&lt;<br />" and tag("meta", charset="utf-8") == '<meta charset="utf-8" />'
    assert text("a\x00\x1b\ud800b") == "a???b"
    found = table("c", ("name", "n"), [("<", "1"), ("b", "-")])
    assert '<th scope="row">&lt;</th><td class="number">1</td>' in found and "<caption>c</caption>" in found
