"""Read the values in a configuration that is written as Python code, as mmcv and mmengine store it in checkpoints.

The text is untrusted. It is never executed: it is parsed, and only literals and calls of ``dict`` with named arguments
become values. A configuration that is too large, too deep or uses other operators is refused before it is parsed,
because Python's parser can need any amount of memory and stack for a hostile text.
"""

from __future__ import annotations

import ast
import io
import keyword
import tokenize
from typing import Any

#: Largest text, characters, and the largest number of brackets around a value.
MAX_CHARACTERS, MAX_BRACKETS = 1 << 18, 40
#: The operators that may occur. A minus sign is only allowed before a number.
OPERATORS = frozenset("()[]{},:=-")
#: The words of Python that may occur.
WORDS = frozenset({"True", "False", "None"})


class NotLiteral:
    """Stands for a value that is not a literal, such as a variable."""


#: The only value of its kind.
NOT_LITERAL = NotLiteral()


def read_config(text: str) -> dict[str, Any]:
    """Return {name: value} of all assignments at the top level of a configuration. Other values are ``NOT_LITERAL``.

    Raises:
        ValueError: the text is too large or too deep, or has other operators, or is not Python. One line says which.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"it has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}")
    _check_tokens(text)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ValueError(f"it is not Python: {type(error).__name__}") from error
    values: dict[str, Any] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            value = _value(statement.value)
            values |= {target.id: value for target in statement.targets if isinstance(target, ast.Name)}
    return values


def _check_tokens(text: str) -> None:
    """Check that only the brackets decide how deep the parser goes, and that they are not too deep."""
    depth, previous = 0, ""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            word = token.string
            if token.type == tokenize.OP:
                if word not in OPERATORS:
                    raise ValueError(f"it has the operator {word!r:.10}; only literals are read")
                # A bracket behind a closing one, and a second minus sign, would nest without a further bracket.
                if (word in "([{" and previous in (")", "]", "}")) or (word == "-" and previous not in tuple("([{,:=")):
                    raise ValueError("it has an expression; only literals are read")
                depth += (word in "([{") - (word in ")]}")
                if depth > MAX_BRACKETS:
                    raise ValueError(f"it has more than {MAX_BRACKETS} brackets around a value")
            elif token.type == tokenize.NAME and keyword.iskeyword(word) and word not in WORDS:
                raise ValueError(f"it has the word {word!r}; only literals are read")
            elif _formats(token):
                raise ValueError("it has a formatted string; only literals are read")
            if token.type not in (tokenize.NL, tokenize.COMMENT):
                previous = word
    except (tokenize.TokenError, SyntaxError) as error:  # IndentationError is a SyntaxError
        raise ValueError(f"it is not Python: {type(error).__name__}") from error


def _formats(token: tokenize.TokenInfo) -> bool:
    """Return whether a token is or begins a formatted string, which holds expressions."""
    if token.type != tokenize.STRING:
        return tokenize.tok_name[token.type] == "FSTRING_START"
    return "f" in token.string[: min(token.string.find(quote) % (len(token.string) + 1) for quote in "'\"")].lower()


def _value(node: ast.expr) -> Any:
    """Return the value of a literal. The depth is limited by ``MAX_BRACKETS``."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        return tuple(_value(item) for item in node.elts)
    if isinstance(node, ast.Dict):
        items = ((_value(key), value) for key, value in zip(node.keys, node.values, strict=True) if key is not None)
        return {key: _value(value) for key, value in items if isinstance(key, str)}
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        return {item.arg: _value(item.value) for item in node.keywords if item.arg is not None}
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        number = node.operand.value
        return -number if isinstance(number, int | float) else NOT_LITERAL
    return NOT_LITERAL
