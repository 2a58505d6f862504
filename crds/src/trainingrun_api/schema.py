"""From a pydantic model to a structural schema, the dialect of JSON schema that the API server takes.

The dialect: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
(section "Specifying a structural schema"). It knows no references and no alternatives, its exclusive bounds
are those of OpenAPI 3.0, and an object is closed to unknown fields unless it says otherwise.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_COPIED = {
    "default", "description", "enum", "format", "maxItems", "maxLength", "maxProperties", "maximum",
    "minItems", "minLength", "minProperties", "minimum", "required", "type",
}  # fmt: skip
_DROPPED = {"$defs", "examples", "prefixItems", "propertyNames", "title", "uniqueItems"}
_EXTENSION_PREFIX = "x-kubernetes-"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_FORMATS = {"integer": "int64", "number": "double"}


def structural_schema(model: type[BaseModel]) -> Schema:
    """The structural schema of a model, by its wire names.

    Raises:
        ValueError: the model says what the dialect cannot, or an object's default is not that of its fields.
    """
    raw = model.model_json_schema(by_alias=True)
    return _convert(raw, raw.get("$defs", {}), model.__name__)


def _convert(node: Schema, definitions: Mapping[str, Schema], path: str) -> Schema:
    result: Schema = {}
    for key, value in _flattened(node, definitions, path).items():
        match key:
            case "properties":
                result[key] = {
                    name: _convert(child, definitions, f"{path}.{name}") for name, child in value.items()
                }
            case "items":
                result[key] = _convert(value, definitions, f"{path}[]")
            case "additionalProperties" if isinstance(value, bool):
                pass
            case "additionalProperties":
                result[key] = _convert(value, definitions, f"{path}.*")
            case "const":
                result["enum"] = [value]
            case "exclusiveMinimum":
                result |= {"minimum": value, key: True}
            case "exclusiveMaximum":
                result |= {"maximum": value, key: True}
            case "default" if value is None:
                pass
            case _ if key in _COPIED or key.startswith(_EXTENSION_PREFIX):
                result[key] = value
            case _ if key not in _DROPPED:
                raise ValueError(f"{path}: a structural schema has no {key}: model the field in another way")
    if result.get(_INT_OR_STRING):
        del result["type"]
    elif number_format := _FORMATS.get(result["type"]):
        result.setdefault("format", number_format)
    if "default" in result and "properties" in result:
        result["default"] = _empty_default(result, path)
    return result


def _flattened(node: Schema, definitions: Mapping[str, Schema], path: str) -> Schema:
    """The node with its reference or its one alternative to null merged in; what stands beside it wins.

    An optional field is one that may be absent, never one that may be null.
    """
    if "$ref" in node:
        siblings = {key: value for key, value in node.items() if key != "$ref"}
        return {**definitions[node["$ref"].removeprefix("#/$defs/")], **siblings}
    if "anyOf" in node:
        alternatives = [option for option in node["anyOf"] if option != {"type": "null"}]
        if len(alternatives) != 1:
            raise ValueError(f"{path}: a structural schema has no alternatives: give the field one type")
        siblings = {key: value for key, value in node.items() if key != "anyOf"}
        return {**_flattened(alternatives[0], definitions, path), **siblings}
    return node


def _empty_default(schema: Schema, path: str) -> Schema:
    """{} for an object that defaults to its fields' defaults: the API server fills them in, one by one."""
    if _present(schema["default"], schema) != _field_defaults(schema):
        raise ValueError(
            f"{path}: the default differs from the defaults of its fields: set them on the fields"
        )
    return {}


def _field_defaults(schema: Schema) -> Schema:
    return {
        name: _field_defaults(child) if "properties" in child else child["default"]
        for name, child in schema["properties"].items()
        if "default" in child
    }


def _present(value: Any, schema: Schema) -> Any:
    """The value without absent (None) fields, and without those whose default is no constant."""
    if isinstance(value, dict) and "properties" in schema:
        children = schema["properties"]
        return {
            name: _present(child, children[name])
            for name, child in value.items()
            if child is not None and ("default" in children[name] or "properties" in children[name])
        }
    return value
