"""The page of reports: complete, well formed, self-contained, and safe whatever text a report holds."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from datetime import datetime, timezone
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
import reports
from accuracy_reports import accuracy_report

from edgeshift.benchmarks.reports import latency_plots, make_page
from edgeshift.benchmarks.reports import page as page_module
from edgeshift.benchmarks.reports.figure import COLOURS, Canvas
from edgeshift.errors import RuntimeMissingError
from edgeshift.stream.placement import Placement

pytest.importorskip("matplotlib", reason="the extra `report` is not installed")
pytest.importorskip("jinja2", reason="the extra `report` is not installed")

CORRECT = [True] * 20 + [False] * 10
HASH = "a" * 64
FILES = [Path("runs/before/pi.json"), Path("runs/after/pi.json")]


def latency(factor=1.0, **changes):
    fp32 = reports.subject(9000, file="fp32.tflite", precision="fp32", seed=1, bytes=9_000_000, steps=1100)
    digest = HASH if factor == 1.0 else "b" * 64
    return reports.report(reports.subject(5000 * factor, sha256=digest, steps=1100), fp32, **changes)


def accuracy():
    return accuracy_report({"tsm_int8.tflite": CORRECT, "other.tflite": [True] * 30}, hashes={"tsm_int8.tflite": HASH})


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
    """Parse the page as XML, which is stricter than HTML: elements must be closed and attributes quoted."""
    head, body = page.split("\n", 1)
    assert head == "<!doctype html>"
    return ElementTree.fromstring(body)


def text(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def texts(page: str, tag: str) -> list[str]:
    return [text(element) for element in tree(page).iter(tag)]


def section(page: str, name: str) -> ElementTree.Element:
    (section,) = [element for element in tree(page).iter("section") if element.get("id") == name]
    return section


def compared(page: str, headings: int = 0) -> list[list[str]]:
    """Return the rows of the table of comparisons, with its headings if ``headings`` is 1."""
    found = rows(section(page, "changes"))
    return found[next(at for at, row in enumerate(found) if row[-1] == "verdict") + 1 - headings :]


def rows(element: ElementTree.Element) -> list[list[str]]:
    return [[text(cell) for cell in row] for row in element.iter("tr")]


def test_the_page_is_well_formed_and_every_id_is_unique(page):
    ids = [element.get("id") for element in tree(page).iter() if element.get("id")]
    assert len(ids) == len(set(ids)) > 50
    references = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)|aria-labelledby="([^"]+)"', page))
    used = {name for groups in references for group in groups for name in group.split()}
    assert used and used <= set(ids)


def test_the_page_loads_nothing_and_runs_no_script(page):
    root = tree(page)
    policy = [e.get("content") for e in root.iter("meta") if e.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"]
    assert list(root.find("head"))[1].get("http-equiv") == "Content-Security-Policy"  # before the elements it restricts
    tags = {element.tag for element in root.iter()}
    assert not tags & {"script", "link", "img", "image", "iframe", "object", "embed", "base", "form", "foreignObject"}
    attributes = {(name, value) for element in root.iter() for name, value in element.items()}
    assert all(value.startswith("#") for name, value in attributes if name.endswith(("href", "src")))
    assert not any(name.startswith("on") for name, _ in attributes)
    assert not re.search(r"https?:|//|@import|xlink|xmlns|data:", page)
    assert not re.search(r"url\((?!#)", page)


def test_every_section_and_plot_is_there(page):
    assert texts(page, "h2") == [
        "Size, latency and accuracy",
        "Before and after",
        "report 1: latency on Some Board 4 Model B, normal mode",
        "report 2: latency on Some Board 4 Model B, sustained mode",
        "report 3: latency on Some Board 4 Model B, paced mode",
        "report 4: accuracy on clips",
    ]
    figures = texts(page, "b")
    assert figures.count("Distribution of latency") == 4 and figures.count("Latency over time") == 3
    assert figures.count("Latency per minute") == 1 and figures.count("Confusion matrix") == 2
    assert figures.count("Latency of each repeat") == 2 and figures.count("Latency against accuracy") == 1
    assert "66.7% (48.8% to 80.8%, 20 of 30)" in page and "90 of 2,700 frames missed" in page
    assert "p90 5.00 ms in the first minute" in page


def test_plots_and_tables_are_described_for_screen_readers(page):
    root = tree(page)
    for svg in root.iter("svg"):
        title, description = svg.find("title"), svg.find("desc")
        assert svg.get("role") == "img" and title is not None and description is not None
        assert title.text and description.text.strip()
        assert svg.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    for table in root.iter("table"):
        assert table.find("caption") is not None and any(cell.get("scope") for cell in table.iter("th"))


def test_colours_follow_light_and_dark_mode(page):
    plots = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert "prefers-color-scheme: dark" in page and "var(--series-0)" in plots
    assert not re.search(r"#[0-9a-f]{6}", plots)  # each colour of a plot is a variable of the page's style
    used = set(re.findall(r"var\((--[a-z0-9-]+)\)", page))
    assert used >= set(re.findall(r"var\((--[a-z0-9-]+)\)", plots))
    assert all(page.count(f"{name}: #") == 2 for name in used | set(COLOURS.values()))


def test_equal_reports_give_equal_bytes_in_any_process(tmp_path):
    document = tmp_path / "r.json"
    document.write_bytes(msgspec.json.encode(accuracy()))
    code = (
        "import sys; from pathlib import Path\n"
        "from edgeshift.benchmarks.reports import make_page, read_document\n"
        "sys.stdout.write(make_page([read_document(Path(sys.argv[1]))]))"
    )
    done = subprocess.run([sys.executable, "-c", code, document], capture_output=True, text=True, check=True)
    assert done.stdout == make_page([accuracy()]) == make_page([accuracy()])
    assert make_page([latency()]) == make_page([latency()])


def test_each_report_is_summarized_once(monkeypatch):
    summarized = []
    original = page_module.summarize
    monkeypatch.setattr(page_module, "summarize", lambda report: summarized.append(report) or original(report))
    make_page([latency(), latency()])
    assert len(summarized) == 2


HOSTILE = (
    "</title></style><script>alert(1)</script>\"' onload='x' {{ 7 * 7 }} $\\frac{1}$ &amp; \u4f60\U0001f600 --> ]]>"
)


class Tags(HTMLParser):
    """Collect the names of all tags and attributes with a lenient HTML parser, as browsers are lenient."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes.update(name for name, _ in attrs)


def test_text_of_reports_and_names_of_files_stay_text():
    facts = msgspec.structs.replace(reports.FACTS, board=HOSTILE, processor=HOSTILE, temperatures={HOSTILE: 1.0})
    subject = reports.subject(file=HOSTILE, runtime=HOSTILE, lost=HOSTILE, model=HOSTILE, sha256=HASH, steps=100)
    minutes = reports.subject(file=HOSTILE, repeats=1, steps=30, minutes=reports.minutes(2))
    answers = accuracy_report(
        {HOSTILE: CORRECT, "x": CORRECT}, hashes={HOSTILE: HASH}, labels=(HOSTILE, "b", "c"), data=HOSTILE
    )
    documents = [
        reports.report(subject, subject, facts=facts, frames=HOSTILE, device=HOSTILE),
        reports.report(subject, subject, facts=facts, frames="drawn", device=HOSTILE),
        reports.report(minutes, facts=facts, device=HOSTILE, mode="sustained", minutes=2),
        answers,
        answers,
    ]
    name = HOSTILE.replace("/", "")
    page = make_page(documents, [Path(f"{number}{name}\x1b\udcff\u202e.json") for number in range(len(documents))])
    root = tree(page)
    assert "script" not in {element.tag for element in root.iter()}
    assert not any(name.startswith("on") for element in root.iter() for name, _ in element.items())
    assert " ".join(HOSTILE.split()) in texts(page, "h3")
    assert f"0{name}???.json: latency on {HOSTILE}, normal mode" in texts(page, "h2")
    assert compared(page)[0][:2] == [f"0{name}???.json", f"1{name}???.json"]
    assert page.encode()
    reader = Tags()
    reader.feed(page)
    assert not reader.names & {"script", "img"} and "svg" in reader.names and "onload" not in reader.attributes
    labels = [text(element) for element in root.iter() if element.tag == "th" and element.get("scope") == "col"]
    assert HOSTILE in labels


def test_templates_escape_all_text_but_the_plots():
    """Only the SVG of figure.py is inserted without escaping."""
    templates = Path(page_module.__file__).with_name("templates")
    sources = {path.name: path.read_text(encoding="utf-8") for path in templates.glob("*.html")}
    unsafe = {name: source.count("safe }}") for name, source in sources.items() if "safe }}" in source}
    assert unsafe == {"macros.html": 1} and "autoescape" not in "".join(sources.values())


def zeros(count: int) -> dict[str, tuple[float, ...]]:
    return dict.fromkeys(("pre", "infer", "post", "end_to_end"), (0.0,) * count)


@pytest.mark.parametrize(
    "document",
    [
        reports.report(reports.subject(repeats=0)),
        reports.report(reports.subject(steps=1)),
        reports.report(reports.subject(repeats=1, steps=5), reports.subject(repeats=0, file="b")),
        reports.report(reports.subject(**zeros(0), reported={"mean": 5.0})),
        reports.report(reports.subject(**zeros(70))),
        reports.report(
            reports.subject(before=reports.reading(None, None, None), after=reports.reading(None, None, None))
        ),
        reports.report(reports.subject(memory=None, repeats=9, steps=30)),
        reports.report(reports.subject(repeats=1, steps=30, minutes=reports.minutes(1)), mode="sustained", minutes=1),
        accuracy_report({"a": []}),
        accuracy_report({"a": [True] * 90}, labels=[f"label {at} of many" for at in range(45)]),
        accuracy_report({"a": [False]}, labels=("one", "two")),
    ],
)
def test_reports_with_little_or_unusual_data_make_a_page(document):
    assert tree(make_page([document, document])).tag == "html"


def test_a_page_of_one_report_has_no_table_of_contents():
    page = make_page([accuracy()], [Path("here/right.json")])
    assert not list(tree(page).iter("nav"))
    assert texts(page, "h1") == texts(page, "title")[:1] == ["right.json: accuracy on clips"]


def test_reports_with_equal_file_names_get_distinct_names():
    page = make_page([latency(), latency(1.3)], FILES)
    assert texts(page, "h1") == ["Reports: before/pi.json, after/pi.json"]
    assert [link for link in texts(page, "a") if "pi.json" in link] == [
        "before/pi.json: latency on Some Board 4 Model B, normal mode",
        "after/pi.json: latency on Some Board 4 Model B, normal mode",
    ]
    overview = rows(section(page, "overview"))
    assert [row[1:4] for row in overview[1:]] == [
        [name, file, "Some Board 4 Model B (local)"]
        for name in ("before/pi.json", "after/pi.json")
        for file in ("tsm_int8.tflite", "fp32.tflite")
    ]


def test_reports_of_one_device_are_compared():
    page = make_page([latency(), latency(1.3)], FILES)
    heading, int8, fp32 = compared(page, 1)
    assert heading == ["before", "after", "file", "before p50 ms", "after p50 ms", "ratio", "verdict"]
    assert int8[:3] == ["before/pi.json", "after/pi.json", "tsm_int8.tflite"] and int8[-1] == "slower"
    assert re.fullmatch(r"1\.3\d\d \(1\.2\d\d to 1\.3\d\d\)", int8[5]) and fp32[-1] == "same file"
    assert "fp32.tflite: both reports contain the same measurement" in text(section(page, "changes"))


def test_reports_of_one_device_are_shown_side_by_side():
    dates = [datetime(2026, 11, day, 9, 30, tzinfo=timezone.utc) for day in (1, 2, 3)]
    warm = msgspec.structs.replace(reports.FACTS, governors=("schedutil",), load=1.5, power_source="battery")
    documents = [latency(), latency(1.3, facts=warm), latency(0.7)]
    documents = [msgspec.structs.replace(document, date=date) for document, date in zip(documents, dates, strict=True)]
    page = make_page(documents, [*FILES, Path("runs/later/pi.json")])
    heading, *facts = rows(section(page, "changes"))
    names = ["before/pi.json", "after/pi.json", "later/pi.json"]
    assert heading == ["", f"{names[0]} (before)", f"{names[1]} (after)", f"{names[2]} (after)"]
    table = {row[0]: row[1:] for row in facts}
    assert table["date"] == ["2026-11-01 09:30 UTC", "2026-11-02 09:30 UTC", "2026-11-03 09:30 UTC"]
    assert table["governor"] == ["performance", "schedutil", "performance"]
    assert table["power source"] == ["not known", "battery", "not known"]
    assert table["load average before"] == ["not known", "1.50", "not known"]
    assert table["temperature"] == ["51 C"] * 3 and table["throttling"] == ["none"] * 3
    assert table["CPU used by others"] == ["at most 1%"] * 3 and table["measurement"] == ["valid"] * 3
    assert [row[:2] for row in compared(page)] == [[names[0], names[1]]] * 2 + [[names[0], names[2]]] * 2
    assert [row[-1] for row in compared(page)] == ["not judged", "not judged", "faster", "same file"]


def test_no_verdict_on_unequal_conditions_or_invalid_measurements():
    page = make_page([latency(), latency(1.3, threads=4)], FILES)
    assert [row[-1] for row in compared(page)] == ["not judged"] * 2
    assert "before/pi.json and after/pi.json: the runs differ in threads (1 against 4)" in page
    cold = reports.report(reports.subject(warm=False))
    page = make_page([reports.report(), cold], FILES)
    assert compared(page)[0][-1] == "not judged"
    assert "after is not valid: tsm_int8.tflite: " in page


def test_reports_that_cannot_be_compared_give_the_reason():
    page = make_page([reports.report(), reports.report(reports.subject(steps=19))], FILES)
    assert "cannot be compared: tsm_int8.tflite: every repeat needs 20 samples" in text(section(page, "changes"))


def test_reports_of_the_same_clips_are_compared():
    after = accuracy_report({"tsm_int8.tflite": [True] * 30, "other.tflite": [True] * 30})
    page = make_page([accuracy(), after], FILES)
    heading, int8, other = compared(page, 1)
    assert heading[3:] == ["clips", "before", "after", "difference", "now wrong", "now right", "McNemar p", "verdict"]
    assert int8[3:6] == ["30", "66.7%", "100.0%"] and int8[7:] == ["0", "10", "0.00195", "better"]
    assert other[-1] == "no difference"


def test_reports_of_two_devices_are_not_compared():
    page = make_page([latency(), latency(device="ssh://pi@board")])
    assert "Before and after" not in page
    words = text(section(page, "overview"))
    assert "Some Board 4 Model B (local)" in words and "Some Board 4 Model B (ssh://pi@board)" in words


def test_accuracy_is_matched_to_an_artifact_by_its_hash():
    cells = rows(section(make_page([latency(), accuracy()]), "overview"))
    assert cells[1][2] == "tsm_int8.tflite" and cells[1][-1].startswith("66.7%")
    assert cells[2][2] == "fp32.tflite" and cells[2][-1] == "-"


def test_accuracy_of_the_cpu_is_not_shown_beside_latency_of_the_gpu():
    gpu = Placement(accelerator="gpu", device="A GPU", complete=True)
    measured = reports.report(
        *(
            reports.subject(5000, sha256=HASH, steps=1100, ran_on=place, file=f"{name}.tflite")
            for name, place in (("on_cpu", None), ("on_gpu", gpu))
        )
    )
    page = make_page([measured, accuracy()])
    cells = rows(section(page, "overview"))
    assert [row[2] for row in cells[1:]] == ["on_cpu.tflite", "on_gpu.tflite"]
    assert cells[1][-1].startswith("66.7%") and cells[2][-1] == "-"
    assert cells[2][3] == "Some Board 4 Model B (local), gpu" and "ran on gpu (A GPU): all operators" in page
    answers = accuracy()
    on_gpu = tuple(msgspec.structs.replace(subject, ran_on=gpu) for subject in answers.subjects)
    cells = rows(section(make_page([measured, msgspec.structs.replace(answers, subjects=on_gpu)]), "overview"))
    assert cells[1][-1] == "-" and cells[2][-1].startswith("66.7%")


def test_the_overview_says_which_measurements_are_not_valid():
    cells = rows(section(make_page([latency(), reports.report(reports.subject(competing=0.4))]), "overview"))
    assert [row[cells[0].index("measurement")] for row in cells[1:]] == ["valid", "valid", "not valid"]


def test_dots_that_overlap_share_a_label():
    page = section(make_page([latency(), latency(1.01)], FILES), "overview")
    labels = [text(label) for label in page.iter("text")]
    assert "1, 3" in labels and "2, 4" in labels and "3" not in labels
    apart = [text(label) for label in section(make_page([latency()]), "overview").iter("text")]
    assert "1" in apart and "1, 2" not in apart


def test_the_names_of_percentiles_lie_inside_the_plot_and_do_not_touch(monkeypatch):
    """p50 is at the left edge of the plot if a few steps are much slower, and then p90 may be near it."""
    seen: list[tuple[str, float, float]] = []

    def record(figure, name):
        (axes,) = figure.figure.axes
        figure.figure.canvas.draw()
        inside = axes.get_window_extent()
        boxes = [label.get_window_extent() for label in axes.texts]
        assert all(inside.x0 <= box.x0 and box.x1 <= inside.x1 for box in boxes) and not boxes[0].overlaps(boxes[1])
        seen.extend((label.get_text().strip(), *label.get_position()) for label in axes.texts)

    monkeypatch.setattr(Canvas, "drawing", record)
    for slow in (20, 4):  # every 20th step is slow: p90 is near p50; every 4th: p90 is far
        times = tuple(1000.0 + step % 7 if step % slow else 9000.0 for step in range(500))
        artifact = msgspec.structs.replace(
            reports.subject(), repeats=(msgspec.structs.replace(reports.subject().repeats[0], end_to_end=times),)
        )
        latency_plots.draw_distribution(artifact, "x")
    assert [name for name, *_ in seen] == ["p50", "p90"] * 2


def test_accuracies_on_two_data_sets_do_not_share_an_axis():
    """The data set on which most of the files were measured is shown and named."""
    both = accuracy_report(
        {"tsm_int8.tflite": CORRECT, "fp32.tflite": CORRECT},
        hashes={"tsm_int8.tflite": HASH, "fp32.tflite": "b" * 64},
        data="the large set",
    )
    smaller = accuracy_report({"tsm_int8.tflite": [True] * 30}, hashes={"tsm_int8.tflite": HASH}, data="another set")
    fp32 = reports.subject(9000, file="fp32.tflite", precision="fp32", seed=1, bytes=9_000_000, sha256="b" * 64)
    times = reports.report(reports.subject(sha256=HASH), fp32)
    words = text(section(make_page([times, smaller, both, smaller]), "overview"))
    assert "Data set of the accuracy: the large set." in words and "100.0%" not in words and words.count("66.7%") >= 2


@pytest.mark.parametrize("package", ["matplotlib", "jinja2"])
def test_a_missing_package_is_named_with_its_extra(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RuntimeMissingError, match=rf"(?i){package}.*\[report\]"):
        make_page([latency()])
