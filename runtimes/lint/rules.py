"""All rules, in the order in which they are reported: wrong values first, then what is refused, then what is slow."""

from __future__ import annotations

from edgeshift.runtimes.lint.operator_rules import OPERATOR_RULES
from edgeshift.runtimes.lint.rule import DEVICES, Rule
from edgeshift.runtimes.lint.shape_rules import SHAPE_RULES
from edgeshift.runtimes.lint.state_rules import STATE_RULES
from edgeshift.runtimes.lint.type_rules import TYPE_RULES

_ORDER = ("wrong", "refused", "slow")
RULES: tuple[Rule, ...] = tuple(
    sorted((*STATE_RULES, *TYPE_RULES, *OPERATOR_RULES, *SHAPE_RULES), key=lambda rule: _ORDER.index(rule.effect))
)


def rules_table() -> str:
    """Return all rules as Markdown: a heading and a list for each."""
    parts = []
    for rule in RULES:
        titles = "; ".join(DEVICES[name].title for name in rule.devices)
        parts.append(
            f"### `{rule.name}`\n\n"
            f"- **finds:** {rule.finds}\n"
            f"- **for:** {', '.join(f'`{name}`' for name in rule.devices)} ({titles})\n"
            f"- **effect:** {rule.effect}. {rule.why}\n"
            f"- **source:** {rule.source}\n"
            f"- **what to do:** {rule.remedy}\n"
        )
    return "\n".join(parts)
