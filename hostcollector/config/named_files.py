"""The files that a configuration names, checked before they are needed."""

import os
import ssl
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from hostcollector.config import checks
from hostcollector.config.files import line_in_file, open_to_everybody
from hostcollector.config.reader import fields_of

LONGEST_PASSWORD = 1024
LONGEST_TOKEN = 8192

Check = Callable[[Path], str]
"""Returns what is wrong with a file that can be read, empty if nothing is. Raises `OSError`."""


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file with the dotted `key` that names it, and the `kind` of file that the key takes."""

    key: str
    path: Path
    kind: checks.Check

    @property
    def check(self) -> Check:
        """What the file must hold."""
        return _CONTENTS[self.kind]

    @property
    def problem(self) -> str:
        """What is wrong with the file, as the end of a sentence; empty if nothing is."""
        try:
            _open_regular(self.path)
            return self.check(self.path)
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"


def problems(settings: Any, file: Path) -> dict[Path, str]:
    """Return what is wrong with the files that a configuration names, each with its key and line in `file`.

    `settings` is a program's dataclass of sections. The content of maps and of the web-config is not checked.
    """
    found = {}
    for named in named_files(settings):
        if problem := named.problem:
            line = line_in_file(file, named.key)
            where = "" if line is None else f" (line {line})"
            found[named.path] = f"{named.key}: {named.path} {problem}{where}"
    return found


def open_secrets(settings: Any) -> list[str]:
    """Return a sentence for each file with a secret that every account may read or write."""
    found = []
    for named in named_files(settings):
        if named.check in {_password, _token, _secret}:
            try:
                complaint = open_to_everybody(named.path)
            except OSError:
                continue  # the reader of the file reports this
            if complaint:
                found.append(f"{named.key}: {named.path} {complaint}")
    return found


def named_files(settings: Any) -> Iterator[NamedFile]:
    """Yield the files that the settings name."""
    for section in fields(settings):
        values = getattr(settings, section.name)
        for key, field in fields_of(type(values)).items() if is_dataclass(values) else ():
            path = getattr(values, key) if field.check in _CONTENTS else None
            if path is not None:
                yield NamedFile(f"{section.name}.{key}", Path(path), field.check)


def _open_regular(path: Path) -> None:
    """Raise `OSError` for a file that cannot be read, and for a pipe: a program that opens one waits."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(None, "not a regular file")
    finally:
        os.close(descriptor)


def _anything(_path: Path) -> str:
    return ""


def _secret(path: Path) -> str:
    return open_to_everybody(path) or ""


def _password(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(LONGEST_PASSWORD + 2)
    try:
        password = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        return "is not UTF-8"
    if not password or len(password) > LONGEST_PASSWORD or not password.isprintable():
        return "does not hold a password in one line"
    return _secret(path)


def _token(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(LONGEST_TOKEN + 2)
    token = content.decode("latin-1").rstrip("\r\n")
    if not token.isascii() or not token.isprintable() or " " in token or not 0 < len(token) <= LONGEST_TOKEN:
        return "does not hold a token in one line"
    return _secret(path)


def _authorities(path: Path) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError as error:
        return f"holds no certificates in PEM ({error.reason or error})"
    return ""


_CONTENTS: dict[checks.Check, Check] = {
    checks.FILE: _anything,
    checks.CERTIFICATES: _authorities,
    checks.PRIVATE_KEY: _secret,
    checks.PASSWORD: _password,
    checks.TOKEN: _token,
}
