"""What the API server makes of an object: it fills in the defaults of a structural schema, from the top.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting
"""

import copy
from typing import Any

Schema = dict[str, Any]


def completed(value: Any, schema: Schema) -> Any:
    """The value with the schema's defaults in all objects that it has or that have one themselves."""
    if isinstance(value, list):
        return [completed(item, schema.get("items", {})) for item in value]
    if not isinstance(value, dict):
        return _number(value, schema)
    properties = schema.get("properties", {})
    defaults = {name: child["default"] for name, child in properties.items() if "default" in child}
    filled = copy.deepcopy(defaults) | value
    others = schema.get("additionalProperties", {})
    return {name: completed(item, properties.get(name, others)) for name, item in filled.items()}


def _number(value: Any, schema: Schema) -> Any:
    """As JSON of Go spells it: without a fraction of nothing. PyYAML takes 1e-4 for a text."""
    if schema.get("type") == "number":
        value = float(value)
        return int(value) if value.is_integer() else value
    return value
