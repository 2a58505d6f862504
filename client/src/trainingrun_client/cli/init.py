"""`init`: looks at data and writes a first run for them."""

import math
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, get_args

import typer
import yaml

from trainingrun_api import names
from trainingrun_api.training import FORMATS, TaskName
from trainingrun_client.cli import screen
from trainingrun_client.errors import InputError, InvalidError
from trainingrun_client.inspection import Answers, Found, first_run, inspect
from trainingrun_client.inspection.first_run import summary
from trainingrun_client.inspection.found import List, printable
from trainingrun_client.manifests import checked_spec, read_manifest

TABLE = "metadata.csv"
PLACEHOLDER = "data.zip"


def init(
    data: Annotated[
        Path | None, typer.Argument(metavar="DATA", help="Folder or ZIP. Without it a run to fill in.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help=f"What is to be learned: {', '.join(get_args(TaskName))}.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the run. Default: that of the data.")] = None,
    claim: Annotated[str | None, typer.Option(help="That holds the data. Default: the run's name.")] = None,
    mount_path: Annotated[str, typer.Option(help="Where the pods see the claim.")] = "/data",
    gpus: Annotated[int | None, typer.Option(min=0, help="Of each pod. Default: 1.")] = None,
    nodes: Annotated[int, typer.Option(min=1, help="Pods that train together.")] = 1,
    write_list: Annotated[
        bool, typer.Option("--write-list", help=f"Write {TABLE} where the trainer needs one.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="File to write. Default: standard output.")] = None,
) -> None:
    """Look at data and write a run for them.

    On a terminal it asks for what it cannot know; elsewhere it takes the options and their defaults.
    """
    if out is not None:
        _check_new(out)
    found = inspect(data) if data is not None else _unseen(task)
    if data is not None:
        screen.say(f"{data} is {summary(found)}")
    for remark in found.remarks:
        screen.say(f"note: {printable(remark)}")
    chosen = _task(found, task)
    name = name or _asked("Name of the run", _slug(data.resolve().stem if data else chosen))
    answers = Answers(
        task=chosen,
        name=name,
        claim=claim or _asked("Claim that holds the data", name),
        mount_path=mount_path,
        gpus=gpus if gpus is not None else int(_asked("GPUs of each pod", "1", int)),
        nodes=nodes,
    )
    directory, below, what = _place(found, data)
    text = first_run(found, answers, below, what)
    _check(text)
    if found.missing:
        assert data is not None
        _write_list(found.missing, data, write_list)
    if out is None:
        screen.write(text)
    else:
        _write(out, text)
    file = out or Path(f"{name}.yaml")
    if data is not None:
        lists = [directory / TABLE] if found.missing and found.missing.lifted else []
        _tell_of_data([data, *lists], file, answers.claim, directory)
    screen.say(f"train in the cluster: kubectl trainingrun submit {shlex.quote(str(file))} --watch")


def _unseen(task: str | None) -> Found:
    """A run to be filled in: of data that nobody has looked at."""
    known = get_args(TaskName)
    if task not in (None, *known):
        raise InputError(f"--task {task} is none of {', '.join(known)}")
    chosen: TaskName = next((each for each in known if each == task), known[0])
    return Found("data to be named", (chosen,), {"format": FORMATS[chosen][0]}, 0)


def _task(found: Found, wanted: str | None) -> TaskName:
    chosen = wanted
    if chosen is None and len(found.tasks) > 1:
        chosen = _asked(f"Task ({', '.join(found.tasks)})", found.tasks[0])
    chosen = chosen or found.tasks[0]
    for task in found.tasks:
        if task == chosen:
            return task
    raise InputError(f"{chosen} cannot be learned of {found.form}; what can: {', '.join(found.tasks)}")


def _place(found: Found, data: Path | None) -> tuple[Path, str, str]:
    """The directory that stands for the claim, the data's path in it, and what the claim holds."""
    if data is None:
        return Path(), PLACEHOLDER, f"{PLACEHOLDER}, or what path says"
    place = data.resolve()
    if found.missing and found.missing.lifted:
        return place.parent, "", f"{TABLE} and the folder {place.name}/"
    return place.parent, place.name, place.name + ("/" if place.is_dir() else "")


def _check_new(out: Path) -> None:
    """Before anything is asked. Raises InputError."""
    if out.exists() or out.is_symlink():
        raise InputError(f"{out} exists: remove it, or give another --out")
    if not out.parent.is_dir():
        raise InputError(f"{out} cannot be written: there is no directory {out.parent}")
    if not os.access(out.parent, os.W_OK):
        raise InputError(f"{out} cannot be written: {out.parent} may not be written to")


def _write(path: Path, text: str) -> None:
    """A file that was not there. Raises InputError."""
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error


def _write_list(missing: List, data: Path, agreed: bool) -> None:
    place = data.resolve()
    path = (place.parent if missing.lifted else data) / TABLE
    try:
        content = missing.content.encode()
    except UnicodeEncodeError as error:
        name = error.object[: error.end].rpartition("\n")[2]
        raise InputError(f"a name in {data} is no UTF-8, {name!r}: rename it") from error
    if path.exists():
        if path.read_bytes() == content:
            return
        if not missing.lifted:
            raise InputError(f"{path} exists and is not of these data: move it away")
        own = place.with_name(f"{place.name}-set")
        command = f"mkdir {shlex.quote(str(own))} && mv {shlex.quote(str(place))} {shlex.quote(f'{own}/')}"
        raise InputError(
            f"{path} exists and is not of these data, whose list must be in the same place. Give them a "
            f"folder of their own, {command}, and run this on {own}"
        )
    question = f"The trainer needs a list of these data. Write {path}?"
    if not agreed and not (_can_ask() and typer.confirm(question, default=True, err=True)):
        raise InputError(f"the trainer needs a list of these data, {path}: --write-list writes it")
    _write(path, missing.content)
    screen.say(f"wrote {path}")


def _check(text: str) -> None:
    """Raises InputError where what was given makes no valid run, such as a name with spaces."""
    try:
        manifest = read_manifest(yaml.safe_load(text))
        checked_spec(manifest)
    except InvalidError as error:
        raise InputError(f"what was given makes no valid run: {error}") from error
    if not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name := manifest["metadata"]["name"]):
        raise InputError(f"--name {name} must be lower-case letters, digits and -, a letter first")
    if len(name) > names.MAX_NAME_LENGTH:
        raise InputError(f"--name {name} is longer than {names.MAX_NAME_LENGTH} characters")


def _slug(text: str) -> str:
    """The text as a name.

    >>> _slug("2024 X-ray")
    'run-2024-x-ray'
    """
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if slug[:1].isdigit():
        slug = f"run-{slug}"
    return slug[: names.MAX_NAME_LENGTH].strip("-") or "first"


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _asked(question: str, default: str, kind: type = str) -> str:
    """The answer on a terminal; elsewhere the default."""
    return str(typer.prompt(question, default, type=kind, err=True)) if _can_ask() else default


def _tell_of_data(sources: Sequence[Path], file: Path, claim: str, directory: Path) -> None:
    """What is to be done with them, as commands."""
    run, option = shlex.quote(str(file)), f"--data {shlex.quote(f'{claim}={directory}')}"
    pushed = shlex.join(map(str, sources))
    screen.say(f"check the data first: kubectl trainingrun data validate {run} {option}")
    screen.say(f"train here:           kubectl trainingrun local {run} {option}")
    size = f"{_gibibytes(sources)}Gi"
    screen.say(
        f"bring the data there: kubectl trainingrun data push {pushed} --claim {claim} --create {size}"
    )


def _gibibytes(sources: Sequence[Path]) -> int:
    """What a claim for them should hold, with some room."""
    files = (file for source in sources for file in (source, *source.rglob("*")) if file.is_file())
    return 1 + math.ceil(1.2 * sum(file.stat().st_size for file in files) / 2**30)
