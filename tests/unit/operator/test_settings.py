"""Settings are checked at the start, and what is wrong is named."""

import pytest

from trainingrun_operator.pod_defaults import PodDefaults
from trainingrun_operator.settings import PREFIX, Settings, SettingsError

GIVEN = {f"{PREFIX}TRAINER_IMAGE": "example/trainer:1"}


def test_defaults() -> None:
    settings = Settings.from_environ(GIVEN)
    assert settings.model_dump() == {
        "trainer_image": "example/trainer:1",
        "namespaces": (),
        "lease": "",
        "image_pull_policy": "IfNotPresent",
        "pod_defaults": PodDefaults().model_dump(),
        "metrics_port": 8000,
        "health_port": 8080,
        "workers": 16,
        "resync_seconds": 300,
        "progress_seconds": 10,
        "log_format": "json",
        "log_level": "INFO",
    }


@pytest.mark.parametrize(
    ("text", "namespaces"), [("", ()), ("a", ("a",)), ("a, b,,c ", ("a", "b", "c")), (" ", ())]
)
def test_namespaces_are_a_list(text: str, namespaces: tuple[str, ...]) -> None:
    assert Settings.from_environ({**GIVEN, f"{PREFIX}NAMESPACES": text}).namespaces == namespaces


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("METRICS_PORT", "http"),
        ("LEASE", "operator"),
        ("POD_DEFAULTS", "{"),
        ("LEASE", "a/b/c"),
        ("METRICS_PORT", "70000"),
        ("METRICS_PORT", "tcp://10.96.0.7:8000"),
        ("WORKERS", "0"),
        ("PROGRESS_SECONDS", "-1"),
        ("LOG_LEVEL", "loud"),
        ("IMAGE_PULL_POLICY", "Sometimes"),
    ],
)
def test_a_wrong_one_is_named_with_its_value(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({**GIVEN, PREFIX + name: value})
    assert f"{PREFIX}{name} is '{value}'" in str(caught.value)


@pytest.mark.parametrize("environ", [{}, {f"{PREFIX}TRAINER_IMAGE": ""}])
def test_a_missing_one_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=f"{PREFIX}TRAINER_IMAGE is not set"):
        Settings.from_environ(environ)


@pytest.mark.parametrize(
    ("defaults", "said"),
    [
        ('{"nodeselector": {}}', "nodeselector is {}: Extra inputs are not permitted"),
        ('{"env": [{"name": "PET_NNODES"}]}', "PET_NNODES belongs to the operator"),
        ('{"labels": {"trainingrun.dev/run": "x"}}', "trainingrun.dev/run belongs to the operator"),
        ('{"nodeSelector": {"a b": "x"}}', "must be a key such as nvidia.com/gpu"),
    ],
)
def test_of_defaults_the_field_is_named(defaults: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        Settings.from_environ({**GIVEN, f"{PREFIX}POD_DEFAULTS": defaults})
    assert str(caught.value).startswith(f"{PREFIX}POD_DEFAULTS")
