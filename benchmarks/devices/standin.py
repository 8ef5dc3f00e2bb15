"""What the agent needs of msgspec, in plain Python, for devices that have none: in the agent's file it is ``msgspec``.

It builds the same objects from the same JSON and checks less: ranges and lengths are not looked at. What it reads on a
device, an artifact's description and a job, the host has read and checked before with the real one.
"""

from __future__ import annotations

import copy
import inspect
import json as _json
import sys
import types
import typing
from typing import Any

_MISSING = object()


class MsgspecError(Exception):
    """The base of all."""


class ValidationError(MsgspecError):
    """A value of another type."""


class DecodeError(MsgspecError):
    """No JSON."""


class Meta:
    """Bounds of a value; not looked at here."""

    def __init__(self, **bounds: Any) -> None:
        self.bounds = bounds


class Struct:
    """A class whose annotations are its fields."""

    __struct_fields__: tuple[str, ...] = ()
    _defaults: typing.ClassVar[dict[str, Any]] = {}
    _strict = False
    _found: typing.ClassVar[dict[str, Any]]

    def __init_subclass__(cls, *, forbid_unknown_fields: bool = False, **settings: Any) -> None:
        super().__init_subclass__()
        own = [name for name in inspect.get_annotations(cls) if not name.startswith("_")]
        cls.__struct_fields__ = tuple(dict.fromkeys((*cls.__struct_fields__, *own)))
        cls._defaults = {**cls._defaults, **{name: cls.__dict__[name] for name in own if name in cls.__dict__}}
        cls._strict = forbid_unknown_fields or cls._strict

    def __init__(self, *positional: Any, **named: Any) -> None:
        values = dict(zip(self.__struct_fields__, positional, strict=False)) | named
        if len(positional) > len(self.__struct_fields__) or values.keys() - set(self.__struct_fields__):
            raise TypeError(f"{type(self).__name__} has the fields {', '.join(self.__struct_fields__)}")
        for name in self.__struct_fields__:
            value = values.get(name, _MISSING)
            if value is _MISSING:
                value = copy.copy(self._defaults.get(name, _MISSING))
            if value is _MISSING or type(value) is object:
                raise TypeError(f"{type(self).__name__}: {name} is missing")
            object.__setattr__(self, name, value)
        after = getattr(self, "__post_init__", None)
        if after is not None:
            after()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and _fields(self) == _fields(other)

    def __hash__(self) -> int:
        return hash((type(self), *(str(value) for value in _fields(self).values())))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in _fields(self).items())})"


def convert(value: Any, type: Any) -> Any:
    """A value read from JSON as a type made of structs, tuples, lists, dicts, unions, literals and plain values."""
    return _convert(value, type, "$")


def to_builtins(value: Any) -> Any:
    """Structs as dicts, tuples as lists."""
    if isinstance(value, Struct):
        return {name: to_builtins(field) for name, field in _fields(value).items()}
    if isinstance(value, dict):
        return {str(key): to_builtins(field) for key, field in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_builtins(field) for field in value]
    return value


def _fields(struct: Struct) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def _convert(value: Any, kind: Any, where: str) -> Any:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin is typing.Annotated:
        return _convert(value, parts[0], where)
    if origin is typing.Literal:
        return _require(value, value in parts, where)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, parts, where)
    if origin is tuple or kind is tuple:
        return _convert_tuple(_require(value, isinstance(value, list), where), parts, where)
    if origin in (list, typing.Sequence):
        return [_convert(part, parts[0], where) for part in _require(value, isinstance(value, list), where)]
    if origin is dict:
        items = _require(value, isinstance(value, dict), where).items()
        return {key: _convert(part, parts[1], f"{where}.{key}") for key, part in items}
    if isinstance(kind, type) and issubclass(kind, Struct):
        return _convert_struct(value, kind, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is None or kind is type(None):
        return _require(value, value is None, where)
    return _require(value, isinstance(value, kind) and (kind is bool or not isinstance(value, bool)), where)


def _convert_union(value: Any, parts: tuple[Any, ...], where: str) -> Any:
    problem = None
    for part in parts:
        try:
            return _convert(value, part, where)
        except ValidationError as error:
            problem = error
    raise problem or ValidationError(where)


def _convert_tuple(value: Any, parts: tuple[Any, ...], where: str) -> Any:
    if not parts:
        return tuple(value)
    kinds = parts[:1] * len(value) if parts[-1] is Ellipsis else parts
    _require(value, len(kinds) == len(value), where)
    return tuple(_convert(part, kind, where) for part, kind in zip(value, kinds, strict=True))


def _convert_struct(value: Any, kind: Any, where: str) -> Any:
    if isinstance(value, kind):
        return value
    _require(value, isinstance(value, dict), where)
    if kind._strict and value.keys() - set(kind.__struct_fields__):
        raise ValidationError(f"{where}: unknown field {min(value.keys() - set(kind.__struct_fields__))!r}")
    hints = _hints(kind)
    try:
        return kind(**{n: _convert(part, hints[n], f"{where}.{n}") for n, part in value.items() if n in hints})
    except TypeError as error:
        raise ValidationError(f"{where}: {error}") from error


def _hints(kind: Any) -> dict[str, Any]:
    if "_found" not in kind.__dict__:
        kind._found = typing.get_type_hints(kind)
    found: dict[str, Any] = kind._found
    return found


def _require(value: Any, good: bool, where: str) -> Any:
    if not good:
        raise ValidationError(f"{where}: {value!r} is not what is expected"[:200])
    return value


def _decode(data: bytes | str, *, type: Any = Any) -> Any:
    try:
        value = _json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DecodeError(str(error)) from error
    return convert(value, type)


def _encode(value: Any) -> bytes:
    return _json.dumps(to_builtins(value), separators=(",", ":")).encode()


def _replace(struct: Any, **changes: Any) -> Any:
    return type(struct)(**{**_fields(struct), **changes})


def _format(data: bytes, *, indent: int = 2) -> bytes:
    return _json.dumps(_json.loads(data), indent=indent).encode()


def _module(name: str, **functions: Any) -> Any:
    module = types.ModuleType(f"{__name__}.{name}")
    module.__dict__.update(functions)
    sys.modules[module.__name__] = module
    return module


json = _module("json", decode=_decode, encode=_encode, format=_format)
structs = _module("structs", replace=_replace)
