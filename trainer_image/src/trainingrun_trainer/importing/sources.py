"""A configuration file as plain values: YAML, JSON, or Python of which only literals are taken."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from trainingrun_trainer.errors import BadConfig

ADVICE = "Pass the system's own file: YAML, JSON, or Python with a config of literals."


@dataclass(frozen=True)
class Source:
    """What a file says."""

    content: Any
    """An object, once `read` has checked it."""
    unreadable: tuple[str, ...] = field(default=())
    """Names to which Python code assigns what only running it would tell."""


def read(path: Path) -> Source:
    """Read a file by its suffix: .py is Python, all else YAML, of which JSON is a part.

    Raises:
        BadConfig: the file cannot be read, or holds no config.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        source = _python(text) if path.suffix == ".py" else Source(yaml.safe_load(text))
    except OSError as error:
        raise BadConfig(f"cannot read {path}: {error.strerror}", "Check the path.") from error
    except (yaml.YAMLError, UnicodeDecodeError, SyntaxError, ValueError) as error:
        raise BadConfig(f"{path} cannot be parsed: {error}", ADVICE) from error
    if not isinstance(source.content, Mapping) or not source.content:
        raise BadConfig(f"{path} holds no config", ADVICE)
    return source


def _python(text: str) -> Source:
    """Later lines win over earlier ones: the class of a config, a dictionary or a call with keywords, then
    single fields."""
    content: dict[str, Any] = {}
    unreadable: list[str] = []
    for name, value in _assignments(ast.parse(text)):
        try:
            content[name] = ast.literal_eval(value)
        except ValueError:
            unreadable.append(name)
    return Source(content, tuple(name for name in unreadable if name not in content))


def _assignments(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for statement in module.body:
        match statement:
            case ast.ClassDef(name=name) if _is_config(name):
                for line in statement.body:
                    match line:
                        case ast.AnnAssign(target=ast.Name(id=key), value=ast.expr() as value):
                            yield key, value
                        case ast.Assign(targets=[ast.Name(id=key)], value=value):
                            yield key, value
            case (
                ast.Assign(targets=[target], value=value)
                | ast.AnnAssign(target=target, value=ast.expr() as value)
            ):
                yield from _assigned(target, value)
            case ast.Expr(value=ast.Call() as call):
                yield from _keywords(call)


def _assigned(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    match target, value:
        case ast.Attribute(value=ast.Name(id=name), attr=key), _ if _is_config(name):
            yield key, value
        case ast.Name(), ast.Call():
            yield from _keywords(value)
        case ast.Name(id=name), ast.Dict() if _is_config(name):
            for key_expression, item in zip(value.keys, value.values, strict=True):
                if isinstance(key_expression, ast.Constant):
                    yield str(key_expression.value), item


def _keywords(call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if _is_config(name):
        yield from ((keyword.arg, keyword.value) for keyword in call.keywords if keyword.arg)


def _is_config(name: str) -> bool:
    return name.lower().endswith(("config", "config_overrides"))
