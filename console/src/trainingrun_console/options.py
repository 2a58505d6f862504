"""The command line of the console and its environment: each option is a variable too, and the command line
counts more. What is wrong is told in a line that names the option or the variable."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from trainingrun_api import names
from trainingrun_console.option_values import (
    allowed_host,
    is_loopback,
    namespace,
    one_of,
    port,
    positive,
    run_directory,
    switch,
)
from trainingrun_console.settings import LOOPBACK_HOSTS, REQUESTS_PER_SECOND, Settings

PREFIX = "TRAININGRUN_CONSOLE_"
PROGRAM = "trainingrun-console"
WRONG_USAGE = 2
ANY = "*"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
FORMATS = ("json", "text")
WHICH = ("namespace", "all_namespaces")
"""Options that exclude each other: one on the command line counts more than the variables of both."""
SERVE_HELP = """\
Shows training runs as they learn, and keeps those that are gone: pages, REST, server-sent events and
WebSocket, all on one port.

On your own machine it acts with the rights of your kubeconfig, listens on loopback alone, and prints an
address with a key that is good once:

    trainingrun-console serve                       runs of your namespace
    trainingrun-console serve -A --keep-days 90     of all, forgotten three months after their end

It runs on a machine that you reach by ssh? ssh -L 8765:127.0.0.1:8765 HOST, then open the printed address.
In a cluster the chart starts it (console.enabled), and callers show tokens of that cluster instead.
"""
REFILL_HELP = """\
Fills a history from what the runs left on their volumes, after its database was lost, or for runs that are
older than it. What the history knows already stays; a second time changes nothing.

    trainingrun-console refill /mnt/results         from directories on this machine
    trainingrun-console refill -n chest             of the runs of a namespace, through a pod for each volume
"""
EPILOG = f"""\
Every option is an environment variable too: {PREFIX}KEEP_DAYS is --keep-days. A switch is true or
false there, and what can be given several times is separated by commas.
"""


@dataclass(frozen=True, slots=True)
class Option:
    """One option."""

    flag: str
    help: str
    read: Callable[[str], Any] = str
    """Raises ValueError with what would be right."""
    metavar: str = ""
    """Empty: a switch."""
    many: bool = False
    short: str = ""

    @property
    def name(self) -> str:
        """As a field."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def variable(self) -> str:
        """In the environment."""
        return PREFIX + self.name.upper()

    def add(self, parser: "argparse._ActionsContainer") -> None:
        """To a command line."""
        flags = [self.short, self.flag] if self.short else [self.flag]
        if not self.metavar:
            parser.add_argument(*flags, action="store_const", const=True, help=self.help)
            return
        action = "append" if self.many else "store"
        parser.add_argument(*flags, metavar=self.metavar, type=self._typed, action=action, help=self.help)

    def from_variable(self, text: str) -> Any:
        """Raises ValueError."""
        if not self.metavar:
            return switch(text)
        if self.many:
            return [self.read(part.strip()) for part in text.split(",") if part.strip()]
        return self.read(text)

    def _typed(self, text: str) -> Any:
        try:
            return self.read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error


CLUSTER = (
    Option("--namespace", "namespace whose runs are served; may be given several times. Default: that of "
           "the context, in a cluster all", namespace, "NAME", many=True, short="-n"),
    Option("--all-namespaces", "of all namespaces", short="-A"),
    Option("--context", "context of the kubeconfig. Default: the current one", metavar="NAME"),
    Option("--kubeconfig", "file. Default: KUBECONFIG, or ~/.kube/config", metavar="FILE"),
)  # fmt: skip
HISTORY = (
    Option("--database", "postgresql://user:password@host:5432/name, or sqlite:////directory/history.db; one "
           "with a password is better given by the environment, which others cannot see. Default: a file of "
           "this cluster's below ~/.local/share/trainingrun (XDG_DATA_HOME), for you alone", metavar="URL"),
    Option("--run-directory", "a volume that is mounted here: results and files of its runs are read from "
           "it. May be given several times", run_directory, "NAMESPACE/CLAIM=PATH", many=True),
)  # fmt: skip
SERVING = (
    Option("--port", f"of everything. Default: {names.CONSOLE_PORT}; 0: any that is free", port, "NUMBER"),
    Option("--host", "address to listen on. Default: 127.0.0.1, and with --in-cluster all of the machine's",
           metavar="ADDRESS"),
    Option("--no-browser", "do not open the page in a browser"),
    Option("--keep-days", "forget runs so long after their end. Default: never", positive, "DAYS"),
    Option("--keep-runs", "of runs that ended, keep the newest so many. Default: all", positive, "NUMBER"),
    Option("--in-cluster", "callers prove who they are by a token of the cluster (TokenReview), and may do "
           "what the cluster lets them (SubjectAccessReview); for a service account that may ask both"),
    Option("--allowed-host", "a further name by which browsers call this service; may be given several "
           "times. Requests to any other name are refused", allowed_host, "NAME", many=True),
    Option("--secure-cookies", "send cookies over TLS only, which a proxy before this service ends; with "
           "--in-cluster"),
    Option("--requests-per-second", f"of one caller, in the mean. Default: {REQUESTS_PER_SECOND:g}", positive,
           "NUMBER"),
    Option("--log-format", "json for log collectors, or text. Default: text, and json with --in-cluster",
           one_of(*FORMATS), "FORMAT"),
    Option("--log-level", "DEBUG, INFO, WARNING or ERROR. Default: WARNING, and INFO with --in-cluster",
           one_of(*LEVELS), "LEVEL"),
)  # fmt: skip
REFILLING = (
    Option("--image", "of the pods that read volumes; with a POSIX shell. Default: that of each run, or the "
           "operator's", metavar="IMAGE"),
)  # fmt: skip
GROUPS: Mapping[str, Mapping[str, Sequence[Option]]] = {
    "serve": {"the service": SERVING, "which runs": CLUSTER, "their history": HISTORY},
    "refill": {"the pods": REFILLING, "which runs": CLUSTER, "their history": HISTORY},
}


class _Parser(argparse.ArgumentParser):
    """Tells what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        told = message.removeprefix("argument ")
        self.exit(WRONG_USAGE, f"{PROGRAM}: {told}; see {self.prog} --help\n")


def parse(arguments: Sequence[str], environ: Mapping[str, str]) -> argparse.Namespace:
    """What was asked for. Ends the program with 2 and a line where it cannot be done."""
    parser, verbs = _parsers()
    given = parser.parse_args(arguments)
    verb = verbs[given.verb]
    which = given.namespace is not None or given.all_namespaces is not None
    for option in (option for group in GROUPS[given.verb].values() for option in group):
        text = "" if which and option.name in WHICH else environ.get(option.variable, "")
        if getattr(given, option.name) is None and text:
            try:
                setattr(given, option.name, option.from_variable(text))
            except ValueError as error:
                verb.error(f"{option.variable} is {text!r}: {error}")
    if why := contradiction(given):
        verb.error(why)
    return given


def contradiction(given: argparse.Namespace) -> str | None:
    """Why options do not go together; None where they do."""
    if given.namespace and given.all_namespaces:
        return "--namespace and --all-namespaces exclude each other: leave one out"
    if given.verb != "serve":
        return None
    if given.in_cluster:
        told = "--in-cluster needs --database, as postgresql://user:password@host:5432/name"
        return None if given.database else told
    if given.host and not is_loopback(given.host):
        return (
            f"--host {given.host} is no address of loopback: others could reach a page that acts with your "
            "rights. Leave it out, and bring the page elsewhere by ssh -L; in a cluster, see --in-cluster"
        )
    if ANY in (given.allowed_host or ()):
        return (
            "--allowed-host * is for --in-cluster alone: any site could read this page by a name of its own"
        )
    return None


def settings(given: argparse.Namespace, own_namespace: str) -> Settings:
    """Of a service; `own_namespace` is that of the kubeconfig's context."""
    whole = given.all_namespaces or given.in_cluster
    return Settings(
        loopback=not given.in_cluster,
        namespaces=tuple(given.namespace) if given.namespace else None if whole else (own_namespace,),
        secure_cookies=bool(given.secure_cookies),
        allowed_hosts=(*LOOPBACK_HOSTS, *([given.host] if given.host else ()), *(given.allowed_host or ())),
        keep_days=given.keep_days,
        keep_runs=given.keep_runs,
        requests_per_second=float(given.requests_per_second or REQUESTS_PER_SECOND),
        run_directories=dict(given.run_directory or ()),
    )


def _parsers() -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    form = argparse.RawDescriptionHelpFormatter
    parser = _Parser(
        prog=PROGRAM,
        description="Run history and the live page of TrainingRuns.",
        allow_abbrev=False,
    )
    parsers = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    told = {"serve": ("serve the page", SERVE_HELP), "refill": ("fill a lost history", REFILL_HELP)}
    verbs = {}
    for verb, (help, description) in told.items():
        added = parsers.add_parser(
            verb, help=help, description=description, epilog=EPILOG, formatter_class=form, allow_abbrev=False
        )
        verbs[verb] = added
        for title, options in GROUPS[verb].items():
            group = added.add_argument_group(title)
            for option in options:
                option.add(group)
    verbs["refill"].add_argument(
        "path", nargs="*", type=Path, metavar="PATH", help="a run directory, or a directory of them"
    )
    return parser, verbs
