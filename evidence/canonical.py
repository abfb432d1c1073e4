"""Canonical JSON (RFC 8785, JCS) without floats: one spelling for one value.

Hashed bytes are a format, so reading is strict: decode, write again, compare. It knows nothing
of what the values mean and needs nothing but the standard library, since the offline verifier
uses it.
"""

import json
from json.encoder import encode_basestring
from typing import Any, NoReturn

from evidence.errors import Malformed

INTEGER_MAX = 2**53 - 1  # RFC 8785 3.2.2.3: what every JSON reader keeps exactly
DEPTH_MAX = 32


def encode(value: Any) -> bytes:
    """Write a value of dict, list, str, int, bool and None; anything else is Malformed."""
    parts: list[str] = []
    _write(value, parts.append, DEPTH_MAX)
    try:
        return "".join(parts).encode()
    except UnicodeEncodeError:
        raise Malformed("a string holds half of a surrogate pair") from None


def decode(data: bytes) -> Any:
    """Read bytes that `encode` could have written; every other spelling is Malformed."""
    value = parse(data)
    if encode(value) != data:
        raise Malformed("JSON, but not in its canonical spelling")
    return value


def parse(data: bytes) -> Any:
    """Read JSON without floats in whatever spelling, for who writes it again and compares."""
    try:
        return _READER.decode(data.decode())
    except (ValueError, RecursionError) as error:
        raise Malformed(f"no canonical JSON: {error}") from None


def _refuse(text: str) -> NoReturn:
    raise Malformed(f"{text[:40]} is no integer")


_READER = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse)


def _write(value: Any, put: Any, depth: int) -> None:
    # Exact classes first: bool is an int, and an enum's str() is not its value.
    if isinstance(value, str):
        put(encode_basestring(value))
    elif value is True:
        put("true")
    elif value is False:
        put("false")
    elif value is None:
        put("null")
    elif isinstance(value, int):
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            raise Malformed("an integer is beyond 2**53 - 1")
        put(int.__repr__(value))
    elif depth == 0:
        raise Malformed(f"nested deeper than {DEPTH_MAX}")
    elif isinstance(value, dict):
        _write_object(value, put, depth - 1)
    elif isinstance(value, list | tuple):
        _write_array(value, put, depth - 1)
    else:
        raise Malformed(f"{type(value).__name__} has no place in canonical JSON")


def _write_object(value: dict[Any, Any], put: Any, depth: int) -> None:
    before = "{"
    for name in _sorted_names(value):
        put(before)
        put(encode_basestring(name))
        put(":")
        _write(value[name], put, depth)
        before = ","
    put("}" if value else "{}")


def _write_array(value: list[Any] | tuple[Any, ...], put: Any, depth: int) -> None:
    before = "["
    for item in value:
        put(before)
        _write(item, put, depth)
        before = ","
    put("]" if value else "[]")


def _sorted_names(value: dict[Any, Any]) -> list[str]:
    """Sort by UTF-16 code units (RFC 8785 3.2.3), which is plain order while all is ASCII."""
    try:
        if "".join(value).isascii():
            return sorted(value)
        return sorted(value, key=lambda name: name.encode("utf-16-be"))
    except TypeError:
        raise Malformed("an object's names must be strings") from None
    except UnicodeEncodeError:
        raise Malformed("a name holds half of a surrogate pair") from None
