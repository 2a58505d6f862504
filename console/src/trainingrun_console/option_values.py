"""What options accept. Each reader raises ValueError, whose text says what would be right."""

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

from trainingrun_client.connection import legal
from trainingrun_client.errors import InputError


def port(text: str) -> int:
    """0 stands for any that is free. Raises ValueError."""
    if not text.isdecimal() or int(text) > 65535:
        raise ValueError("write a number from 0 to 65535; 0 takes any port that is free")
    return int(text)


def positive(text: str) -> int:
    """Raises ValueError."""
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("write a whole number from 1 on")
    return int(text)


def switch(text: str) -> bool:
    """Raises ValueError."""
    if text.lower() not in ("true", "false"):
        raise ValueError("write true or false")
    return text.lower() == "true"


def one_of(*words: str) -> Callable[[str], str]:
    """One of these."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"write one of {', '.join(words)}")
        return text

    return read


def namespace(text: str) -> str:
    """Raises ValueError."""
    try:
        return legal(text, "a namespace")
    except InputError as error:
        raise ValueError(str(error)) from error


def allowed_host(text: str) -> str:
    """Raises ValueError."""
    bare = text.removeprefix("[").removesuffix("]")
    if not text or "/" in text or (":" in text and bare == text):
        raise ValueError("write the name alone, as console.example.com, without scheme and port")
    return text.lower()


def run_directory(text: str) -> tuple[str, Path]:
    """NAMESPACE/CLAIM and the directory where that claim is mounted here. Raises ValueError."""
    claim, _, path = text.partition("=")
    of, slash, name = claim.partition("/")
    if not slash or not path:
        raise ValueError("write NAMESPACE/CLAIM=PATH, as chest/results=/mnt/results")
    try:
        legal(of, "a namespace"), legal(name, "a claim")
    except InputError as error:
        raise ValueError(str(error)) from error
    if not Path(path).is_dir():
        raise ValueError(f"there is no directory {path}")
    return claim, Path(path).absolute()


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach the address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
