"""The base of every API model, and the constraints that two sides check.

The API server checks an object at apply time, from the CustomResourceDefinition that is generated from these
models; pydantic checks the same data in Python, where no API server stands in front (``trainingrun-train
--config``). Types, ranges and lengths follow from the fields. What they cannot express is stated here, once,
as CEL with a message for people: ``Matches`` for the text of one field, ``Rule`` for relations of fields.

CEL in definitions (section "Validation rules"):
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

CEL_KEY = "x-kubernetes-validations"


@dataclass(frozen=True)
class Rule:
    """A relation between fields of a model; the message names the field and the remedy.

    ``field_path`` is where the API server reports a violation, relative to the model (``.mountPath``).
    ``holds`` is the same relation in Python; it is None where only the API server can check (against the old
    object) or has to.
    """

    expression: str
    message: str
    field_path: str | None = None
    holds: Callable[[Any], bool] | None = None

    def to_cel(self) -> JsonDict:
        """One entry of ``x-kubernetes-validations``."""
        validation: JsonDict = {"rule": self.expression, "message": self.message}
        if self.field_path is not None:
            validation["fieldPath"] = self.field_path
        return validation


@dataclass(frozen=True)
class Matches:
    """Annotation of a string that must match a pattern (RE2 and Python alike), with a message for people.

    A schema's own ``pattern`` makes the API server print the regular expression and nothing else. ``subject``
    is the string in CEL.
    """

    pattern: str
    message: str
    subject: str = "self"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        json_schema = handler(schema)
        expression = f"{self.subject}.matches({json.dumps(self.pattern)})"
        return {**json_schema, CEL_KEY: [Rule(expression, self.message).to_cel()]}

    def _check(self, text: str) -> str:
        if re.fullmatch(self.pattern, text) is None:
            raise ValueError(self.message)
        return text


@dataclass(frozen=True)
class Cut:
    """Annotation of a text for people: what is longer than the schema takes is cut, not refused."""

    max_length: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._cut, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "maxLength": self.max_length}

    def _cut(self, text: str) -> str:
        return text[: self.max_length]


class ApiModel(BaseModel):
    """Frozen, closed to unknown fields, snake_case in Python and camelCase on the wire."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, serialize_by_alias=True
    )

    cel_rules: ClassVar[tuple[Rule, ...]] = ()

    def to_wire(self) -> dict[str, Any]:
        """The object as JSON-compatible data with camelCase keys and without absent fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        json_schema = handler(schema)
        own = handler.resolve_ref_schema(json_schema)
        if rules := cls.rules_for(list(own.get("properties", {}))):
            own[CEL_KEY] = [rule.to_cel() for rule in rules]
        return json_schema

    @classmethod
    def rules_for(cls, fields: list[str]) -> tuple[Rule, ...]:
        """The rules of the model, given the wire names of its fields."""
        return cls.cel_rules

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        for rule in self.cel_rules:
            if rule.holds is not None and not rule.holds(self):
                raise ValueError(rule.message)
        return self


class Report(ApiModel):
    """What the project's parts tell each other: unknown fields are ignored, for their versions may differ."""

    model_config = ConfigDict(extra="ignore")
