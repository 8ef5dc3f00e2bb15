"""Options without effect are errors: the rules that say when an option has an effect, and where they are checked.

Every option is declared with a rule, ``option(panel, ..., effect=RULE)``. A rule is one of

    ALWAYS                      the option has an effect, whatever the other options are
    DECIDED                     it depends on files or devices; the command calls ``decide`` as soon as it knows
    needs("weights")            only together with another option
    excludes("stream")          only without another option
    only_for("mode", "paced")   only with these values of another option
    a function                  returns why the option has no effect, or None; see ``Rule``

or a tuple of rules, which must all hold. Rules are checked before the command runs, and only for options that are on
the command line: a default is never an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from edgeshift.errors import EdgeshiftError


@dataclass(frozen=True)
class Options:
    """The options of one call of a command.

    Attributes:
        values: {parameter of the command's function: value}.
        names: {parameter: the option's name on the command line}, such as {"as_json": "--json"}.
        given: parameters that are on the command line, in the order of the command's function.
        decided: parameters for which ``decide`` was called.
    """

    values: Mapping[str, Any]
    names: Mapping[str, str]
    given: tuple[str, ...]
    decided: set[str] = field(default_factory=set)

    def __getitem__(self, parameter: str) -> Any:
        """Return the value of a parameter."""
        return self.values[parameter]

    def is_set(self, parameter: str) -> bool:
        """Whether a parameter has a value other than None, False or an empty one."""
        return bool(self.values[parameter])


#: Returns why an option has no effect and what to do, such as "without --weights: add it"; None: it has an effect.
#: The text continues the sentence "--labels has no effect".
Rule = Callable[[Options], str | None]


def ALWAYS(_options: Options) -> str | None:  # noqa: N802
    """The rule of an option that always has an effect."""
    return None


def DECIDED(_options: Options) -> str | None:  # noqa: N802
    """The rule of an option for which the command calls ``decide`` while it runs."""
    return None


def needs(*parameters: str) -> Rule:
    """Return the rule of an option that has an effect only together with one of these options."""

    def rule(options: Options) -> str | None:
        if any(options.is_set(parameter) for parameter in parameters):
            return None
        names = " or ".join(options.names[parameter] for parameter in parameters)
        return f"without {names}: add {'it' if len(parameters) == 1 else 'one'}, or leave this option out"

    return rule


def excludes(parameter: str) -> Rule:
    """Return the rule of an option that has an effect only without another option."""

    def rule(options: Options) -> str | None:
        return f"with {options.names[parameter]}: leave one of the two out" if options.is_set(parameter) else None

    return rule


def only_for(parameter: str, *values: object) -> Rule:
    """Return the rule of an option that has an effect only with these values of another option."""

    def rule(options: Options) -> str | None:
        if options[parameter] in values:
            return None
        name, wanted = options.names[parameter], " or ".join(str(value) for value in values if value is not None)
        return f"with {name} {options[parameter]}, only with {name} {wanted}: leave this option out"

    return rule


def read_rules(run: Callable[..., Any]) -> dict[str, tuple[Rule, ...] | None]:
    """Return the rules of all options of a command's function; None for an option that was declared without one."""
    rules: dict[str, tuple[Rule, ...] | None] = {}
    for parameter, hint in get_type_hints(run, include_extras=True).items():
        for declared in getattr(hint, "__metadata__", ()):
            if hasattr(declared, "param_decls") and declared.__class__.__name__ == "OptionInfo":
                effect = getattr(declared, "effect", None)
                rules[parameter] = effect if isinstance(effect, tuple | None) else (effect,)
    return rules


_OPTIONS: ContextVar[Options | None] = ContextVar("options", default=None)


@contextmanager
def checked(options: Options, rules: Mapping[str, tuple[Rule, ...] | None]) -> Iterator[None]:
    """Check the rules, then run the command in the block.

    Raises:
        EdgeshiftError: an option on the command line has no effect; or its rule is ``DECIDED``, and the command ended
            successfully without a call of ``decide`` for it.
    """
    for parameter in options.given:
        for rule in rules.get(parameter) or ():
            _require(options, parameter, rule(options))
    token = _OPTIONS.set(options)
    try:
        yield
    finally:
        _OPTIONS.reset(token)
    for parameter in options.given:
        if DECIDED in (rules.get(parameter) or ()) and parameter not in options.decided:
            _require(options, parameter, "here: leave it out")


def decide(**reasons: str | None) -> None:
    """Say for options with the rule ``DECIDED`` whether they have an effect, as soon as this is known.

    Args:
        reasons: {parameter of the command's function: why its option has no effect and what to do; None: it has one}.

    Raises:
        EdgeshiftError: an option has no effect, and is on the command line.
    """
    options = _OPTIONS.get()
    if options is None:  # the function of a command was called by other code
        return
    options.decided.update(reasons)
    for parameter, reason in reasons.items():
        if parameter in options.given:
            _require(options, parameter, reason)


def given_options(context: Any, parameters: Iterable[Any]) -> Options:
    """Return the options of a call from the context and the parameters of typer's command."""
    names = {parameter.name: max(parameter.opts, key=len) for parameter in parameters}
    sources = {name: context.get_parameter_source(name) for name in names}
    given = tuple(name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE")
    return Options(context.params, names, given)


def _require(options: Options, parameter: str, reason: str | None) -> None:
    if reason is not None:
        raise EdgeshiftError(f"{options.names[parameter]} has no effect {reason}")
