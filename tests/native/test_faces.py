"""The faces in Kotlin, Swift and C++: their syntax, and that each call of the C interface fits its declaration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NATIVE = Path(__file__).parents[2] / "runtimes" / "native"
HEADER = (NATIVE / "include" / "edgeshift" / "edgeshift.h").read_text()
KOTLIN = sorted([*NATIVE.rglob("android/**/*.kt"), *NATIVE.rglob("android/**/*.kts")])
SWIFT = sorted([*NATIVE.glob("ios/**/*.swift"), NATIVE / "Package.swift"])
#: Files that call the C interface.
CALLERS = [*NATIVE.glob("android/**/*.cpp"), *SWIFT, *NATIVE.glob("include/edgeshift/*.hpp")]


def declared() -> dict[str, int]:
    """Return {function of the C interface: number of its parameters}."""
    text = re.sub(r"/\*.*?\*/", "", HEADER, flags=re.DOTALL)
    found = re.findall(r"ES_API [\w \*]*?\b(es_\w+)\(([^)]*)\);", text)
    return {name: 0 if arguments == "void" else arguments.count(",") + 1 for name, arguments in found}


def calls(text: str) -> Iterator[tuple[str, int]]:
    """Yield each call of a function es_* in source code in C++ or Swift, with the number of its arguments."""
    text = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', re.sub(r"//.*", "", text))
    for match in re.finditer(r"\b(es_\w+)\(", text):
        depth, commas, at = 1, 0, match.end()
        while depth:
            depth += (text[at] in "([{") - (text[at] in ")]}")
            commas += depth == 1 and text[at] == ","
            at += 1
        inside = text[match.end() : at - 1].strip()
        yield match[1], commas + 1 if inside else 0


def test_the_header_is_read_completely():
    assert len(declared()) == HEADER.count("ES_API ") - HEADER.count("#define ES_API") and len(declared()) > 20
    assert declared()["es_stream_step"] == 4 and declared()["es_version"] == 0


@pytest.mark.parametrize("path", CALLERS, ids=lambda path: path.name)
def test_each_call_of_the_c_interface_has_the_arguments_of_its_declaration(path):
    functions, types = declared(), set(re.findall(r"\b(es_\w+);", HEADER))
    for name, arguments in calls(path.read_text()):
        if name in types:  # Swift and C++ make a struct or convert a number with the same syntax
            continue
        assert functions.get(name) == arguments, f"{path.name} calls {name} with {arguments} arguments"


def test_a_call_that_does_not_fit_is_found():
    text = 'es_stream_step(stream, &image, f(a, b), "a,b)") // es_model_close(1, 2)\nes_version()'
    assert list(calls(text)) == [("es_stream_step", 4), ("es_version", 0)]


@pytest.mark.parametrize("face", ["android", "ios"])
def test_a_face_calls_every_function_that_it_should(face):
    """A function that no face calls is of no use.

    Android has no Core ML, and Swift compiles the core itself, so it asks for no version.
    """
    called = {name for path in CALLERS if face in path.parts for name, _ in calls(path.read_text())}
    unused = {"android": {"es_model_open_description"}, "ios": {"es_version", "es_abi"}}[face]
    assert set(declared()) - called == unused


def parser(language: str) -> Any:
    """Return a parser of tree-sitter."""
    tree_sitter = pytest.importorskip("tree_sitter", reason="the parser of sources is not installed")
    grammar = pytest.importorskip(f"tree_sitter_{language}", reason=f"the grammar of {language} is not installed")
    return tree_sitter.Parser(tree_sitter.Language(grammar.language()))


def mistakes(node: Any) -> Iterator[tuple[int, int]]:
    """Yield line and column of each part that is not of the language."""
    if node.type == "ERROR" or node.is_missing:
        yield node.start_point[0] + 1, node.start_point[1] + 1
    for child in node.children:
        yield from mistakes(child)


@pytest.mark.parametrize("path", [*KOTLIN, *SWIFT], ids=lambda path: path.name)
def test_every_source_file_has_the_syntax_of_its_language(path):
    tree = parser("swift" if path.suffix == ".swift" else "kotlin").parse(path.read_bytes())
    assert list(mistakes(tree.root_node)) == []


@pytest.mark.parametrize(("language", "text"), [("kotlin", "fun f( = 1"), ("swift", "func f( { }")])
def test_a_mistake_is_found(language, text):
    assert list(mistakes(parser(language).parse(text.encode()).root_node)) != []


def test_the_swift_package_starts_with_the_version_of_its_tools():
    """Swift reads the version from a first line that contains nothing else."""
    assert (NATIVE / "Package.swift").read_text().splitlines()[0] == "// swift-tools-version:5.9"


def test_the_numbers_of_kotlins_enumerations_are_those_of_the_header():
    def names(kind: str) -> list[str]:
        (body,) = re.findall(rf"enum {kind} \{{(.*?)\}}", HEADER, re.DOTALL)
        return re.findall(r"ES_(\w+) = \d", body)

    image = (NATIVE / "android/edgeshift/src/main/kotlin/dev/edgeshift/Image.kt").read_text()
    formats = re.findall(r"^    ([A-Z0-9]+)\(\d\),$", image, re.MULTILINE)
    colours = re.findall(r"^    (BT\w+),$", image, re.MULTILINE)
    assert (formats, colours) == (names("es_format"), names("es_yuv"))
    prediction = (NATIVE / "android/edgeshift/src/main/kotlin/dev/edgeshift/Prediction.kt").read_text()
    heard = [f"SOUND_{name}" for name in re.findall(r"^    ([A-Z]+),$", prediction, re.MULTILINE)]
    assert ["SOUND_NONE", *heard] == names("es_heard")


def test_lines_are_short_enough_to_read():
    long = [
        f"{path.name}:{number}"
        for path in [*KOTLIN, *SWIFT, *NATIVE.glob("android/**/*.cpp"), *NATIVE.glob("cpp/*.cpp")]
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > 120
    ]
    assert long == []
