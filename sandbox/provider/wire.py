"""Protocol buffers to plain JSON and back; whole numbers stay whole."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import struct_pb2

from sandbox.values import Json, Props


def from_struct(struct: struct_pb2.Struct) -> Props:
    """A protobuf object as plain JSON, nulls left out."""
    found = {key: _from_value(value) for key, value in struct.fields.items()}
    return {key: value for key, value in found.items() if value is not None}


def _from_value(value: struct_pb2.Value) -> Json:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return from_struct(value.struct_value)
    if kind == "list_value":
        return [_from_value(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    return None if kind in (None, "null_value") else getattr(value, kind)


def to_struct(content: Mapping[str, Json]) -> struct_pb2.Struct:
    """Plain JSON as a protobuf object."""
    struct = struct_pb2.Struct()
    for key, value in content.items():
        _fill(struct.fields[key], value)
    return struct


def _fill(target: Any, value: Json) -> None:
    if value is None:
        target.null_value = struct_pb2.NULL_VALUE
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int | float):
        target.number_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, Mapping):
        target.struct_value.SetInParent()
        for key, item in value.items():
            _fill(target.struct_value.fields[key], item)
    else:
        target.list_value.SetInParent()
        for item in value:
            _fill(target.list_value.values.add(), item)
