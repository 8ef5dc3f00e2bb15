"""Read the values in a configuration that is written as Python code, as mmcv and mmengine store it in checkpoints.

The text is not trusted, and is never executed. It is parsed, and only literals and calls of ``dict`` with named
arguments become values. A text that is too long, is nested too deeply, or has other operators is refused before it is
parsed, because a hostile text can make Python's parser run out of memory or stack.
"""

from __future__ import annotations

import ast
import io
import keyword
import tokenize
from typing import Any

#: Largest length of the text, characters, and largest number of brackets around a value.
MAX_CHARACTERS, MAX_BRACKETS = 1 << 18, 40
#: The operators that may occur. A minus sign is only allowed before a number.
OPERATORS = frozenset("()[]{},:=-")
#: The keywords of Python that may occur.
WORDS = frozenset({"True", "False", "None"})


class NotLiteral:
    """The type of ``NOT_LITERAL``."""


#: Takes the place of every value that is not a literal, such as a variable.
NOT_LITERAL = NotLiteral()


def read_config(text: str) -> dict[str, Any]:
    """Return {name: value} of all assignments at the top level of a configuration.

    Lists become tuples. Values that are not literals are ``NOT_LITERAL``.

    Raises:
        ValueError: the text is too long, is nested too deeply, has other operators, or is not Python. The message is
            one line that says which.
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
    """Check that only brackets can nest values, and that there are at most ``MAX_BRACKETS`` around a value.

    Raises:
        ValueError: the text has other operators or keywords, is nested too deeply, or is not Python.
    """
    depth, previous = 0, ""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            word = token.string
            if token.type == tokenize.OP:
                if word not in OPERATORS:
                    raise ValueError(f"it has the operator {word!r:.10}; only literals are read")
                # ``a[0][0]`` and ``--1`` are nested for the parser, although no bracket is inside of another one.
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
    """Return the value of a literal. ``_check_tokens`` limits the depth of the recursion."""
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
