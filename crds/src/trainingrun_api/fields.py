r"""Types of single fields, each with the message that a user reads when the value does not fit.

Patterns hold for RE2 (the API server) and Python alike: no look-ahead, no ``\Z``. Every string has a greatest
length, or the API server refuses the definition because its rules could cost too much.
"""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from trainingrun_api.model import Matches

_POSITIVE = r"([0-9]*[1-9][0-9]*(\.[0-9]*)?|[0-9]*\.[0-9]*[1-9][0-9]*)"
_PATH_PART = r"([^/:.][^/:]*|\.[^/:.][^/:]*|\.\.[^/:]+)"
"""A name that is neither "." nor ".."."""
_DNS_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_SUBDOMAIN = rf"{_DNS_LABEL}(\.{_DNS_LABEL})*"
KEY_PATTERN = rf"^({_DNS_SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?$"
"""Key of a label, an annotation or a taint."""


MAX_SECONDS = 31_536_000
"""A year: longer times are mistakes."""


def _integer_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Size = Annotated[
    str,
    Field(max_length=32),
    Matches(
        rf"^{_POSITIVE}([kMGTPE]|[KMGTPE]i)?$", "must be a size in bytes above zero, such as 500Mi or 64Gi"
    ),
]
"""A Kubernetes quantity of bytes, without sign and exponent."""

Cores = Annotated[
    str,
    BeforeValidator(_integer_as_text),
    Field(max_length=32, json_schema_extra={"x-kubernetes-int-or-string": True}),
    Matches(
        rf"^{_POSITIVE}m?$", 'must be a number of cores above zero, such as 16, "0.5" or 500m', "string(self)"
    ),
]
"""A Kubernetes quantity of CPU cores; like a pod's, it may be written as an integer."""

ObjectName = Annotated[
    str,
    Field(max_length=253),
    Matches(
        rf"^{_DNS_SUBDOMAIN}$",
        'must be the name of an object: lower-case letters, digits, "-" and ".", such as team-data',
    ),
]

ProjectName = Annotated[
    str,
    Field(max_length=63),
    Matches(
        rf"^{_DNS_LABEL}$",
        'must be a name of lower-case letters, digits and "-" with at most 63 characters, such as chest-xray',
    ),
]

ExtendedResource = Annotated[
    str,
    Field(max_length=317),
    Matches(
        rf"^{_DNS_SUBDOMAIN}/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
        "must be an extended resource with its domain, such as nvidia.com/gpu",
    ),
]

EnvName = Annotated[
    str,
    Field(max_length=256),
    Matches(
        r"^[A-Za-z_][A-Za-z0-9_.-]*$",
        'must start with a letter or "_" and go on with letters, digits, "_", "-" or ".", such as LOG_LEVEL',
    ),
]

Image = Annotated[
    str,
    Field(max_length=1024),
    Matches(
        r"^[^\s]*$",
        "must be an image reference without spaces, such as registry.example.com/team/trainer:1.0",
    ),
]

AbsolutePath = Annotated[
    str,
    Field(max_length=1024),
    Matches(
        rf"^(/{_PATH_PART})+$",
        'must be an absolute path without ":", "." or ".." and without a slash at its end, such as '
        "/data/images",
    ),
]

SubPath = Annotated[
    str,
    Field(max_length=1024),
    Matches(
        rf"^{_PATH_PART}(/{_PATH_PART})*$",
        'must be a relative path without ":", "." or ".." and without a slash at its end, such as '
        "images/2024",
    ),
]

Key = Annotated[str, Field(max_length=317)]
"""Key of a map; a schema cannot constrain keys, so KEY_PATTERN is a rule of the model that holds the map."""

TaintKey = Annotated[
    str,
    Field(max_length=317),
    Matches(
        KEY_PATTERN,
        'must be a key such as nvidia.com/gpu: letters, digits, "-", "_", "." and at most one "/"',
    ),
]

LabelValue = Annotated[
    str,
    Field(max_length=63),
    Matches(
        r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
        'must be a label value: letters, digits, "-", "_" and ".", with a letter or digit at both ends, or '
        "empty",
    ),
]
