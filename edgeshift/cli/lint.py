"""``edgeshift lint``: find in the graph of an artifact what a phone's GPU or NPU refuses or gets wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from edgeshift.cli.completion import VALUES
from edgeshift.cli.effect import ALWAYS, DECIDED, decide
from edgeshift.cli.options import Artifact, AsJson, option
from edgeshift.cli.output import print_facts, print_json, print_line, print_next
from edgeshift.errors import CheckFailedError

if TYPE_CHECKING:
    from edgeshift.runtimes.lint import Finding

#: Largest number of places that are printed for a rule. --json has all of them.
MAX_PLACES = 5
#: {effect of a rule: what is printed}.
EFFECTS = {
    "wrong": "WRONG values, without an error",
    "refused": "refused: a part runs on the CPU, or the graph does not load",
    "slow": "slow",
}


def run(
    file: Artifact,
    device: Annotated[
        str | None, option("Rules", "--for", effect=ALWAYS, metavar="DEVICE", autocompletion=VALUES["lint_devices"])
    ] = None,
    ignore: Annotated[
        list[str] | None, option("Rules", effect=DECIDED, metavar="RULE", autocompletion=VALUES["lint_rules"])
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find in the graph of an artifact what a phone's GPU or NPU is known to refuse or to get wrong.

    The graph is read, and nothing is run. Every rule names the public issue or the vendor's page that it comes from.
    A graph that keeps all rules may still fail on a device: the rules are those that somebody has published.

    Args:
        device: The device: mali or adreno for LiteRT's GPU accelerator on these GPUs, htp for Qualcomm's NPU, ethos-u
            for Arm's NPU through Vela, coreml-ane for Apple's Neural Engine. Default: all that read this kind of file.
        ignore: A rule to leave out, such as htp-channels. May be given several times.

    Examples:
      edgeshift lint tsm_mobilenet_v2_fp16.tflite --for mali
      edgeshift lint tsm_mobilenet_v2_int8.onnx --for htp --ignore htp-channels
      edgeshift lint tsm_mobilenet_v2_fp16.mlpackage --json

    Exit status: 1 if the graph breaks a rule.
    """
    from edgeshift.artifact.file import read_artifact
    from edgeshift.runtimes.lint import RULES, devices_of, lint

    artifact = read_artifact(file)
    devices = devices_of(artifact) if device is None else (device,)
    findings = lint(artifact, devices, ignored := ignore or [])
    concerned = [rule.name for rule in RULES if set(rule.devices).intersection(devices)]
    other = next((rule for rule in ignored if rule not in concerned), None)
    decide(ignore=other and f"on {', '.join(devices)}, which {other} is not about: leave it out")
    checked = [rule for rule in concerned if rule not in ignored]
    if as_json:
        print_json({"ok": not findings, "for": devices, "rules": checked, "findings": findings})
    else:
        print_line(f"{file}: {len(checked)} rules for {', '.join(devices)}, {len(findings)} broken")
        for finding in findings:
            _print(finding)
    if findings:
        raise CheckFailedError(f"{file}: breaks {', '.join(finding.rule for finding in findings)}")
    if not as_json:
        print_next("edgeshift", "verify", file)


def _print(finding: Finding) -> None:
    more = len(finding.places) - MAX_PLACES
    places = [("", place) for place in finding.places[:MAX_PLACES]]
    facts: list[tuple[str, object]] = [
        ("effect", f"{EFFECTS[finding.effect]} (on {', '.join(finding.devices)})"),
        ("found", places[0][1]),
        *places[1:],
        *([("", f"and {more} more")] if more > 0 else []),
        ("why", finding.why),
        ("source", finding.source),
        ("what to do", finding.remedy),
    ]
    print()
    print_facts(finding.rule, facts)
