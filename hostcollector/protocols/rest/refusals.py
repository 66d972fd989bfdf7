"""What it means when a service answers with something else than what was asked for."""

import re
from collections.abc import Callable, Mapping

import aiohttp

from hostcollector.base.errors import SourceDeniedError, SourceError, SourceUnavailableError
from hostcollector.protocols.rest.complaints import Complaint

_LONGEST_WAIT = 3600.0
_HOST = re.compile(r"\bhost\b", re.IGNORECASE)


class TokenRefusedError(SourceDeniedError):
    """The token, or at the login the password, is not taken (401)."""


class LoginRefusedError(SourceDeniedError):
    """The account is not let in; to try again soon would lock it."""


class NotAllowedError(SourceDeniedError):
    """The account may not read what is under this path (403); it may read others."""


class NoSuchPathError(SourceUnavailableError):
    """The service knows nothing under this path, or not for this kind of question: `status` says which.

    400, 404, 405, 410, 501.
    """

    def __init__(self, text: str, status: int) -> None:
        self.status = status
        super().__init__(text)


class BusyError(SourceUnavailableError):
    """The service wants to be left alone for `pause` seconds (429, 503); 0 where it does not say."""

    def __init__(self, text: str, pause: float) -> None:
        self.pause = pause
        super().__init__(text)


def refusal(response: aiohttp.ClientResponse, where: str, section: str, said: Complaint) -> SourceError:
    """Return what a status means that is no success; `said` are the service's own words."""
    status = response.status
    if status in _MEANINGS:
        return _MEANINGS[status](where, status, section, said)
    if status in (429, 503):
        pause = seconds_of(response.headers.get("Retry-After", ""))
        return BusyError(f"{where}: the service is busy ({status}){said}", pause)
    if 300 <= status < 400:
        text = f"{where} is redirected elsewhere ({status}); set {section}.url to where it leads"
        return SourceUnavailableError(text)
    return SourceUnavailableError(f"{where} answered {status}{said}")


def seconds_of(text: str) -> float:
    """Return the seconds that a header says, an hour at most; 0 for a date, which nobody sends."""
    known = text.isascii() and text.isdecimal() and len(text) < 10
    return min(float(text), _LONGEST_WAIT) if known else 0.0


def _bad_question(where: str, status: int, section: str, said: Complaint) -> SourceError:
    cure = f"; set {section}.url to the name that it goes by" if _HOST.search(said.text) else ""
    return NoSuchPathError(f"{where} is refused as a bad question ({status}){cure}{said}", status)


def _no_login(where: str, status: int, _: str, said: Complaint) -> SourceError:
    return TokenRefusedError(f"{where} asks for another login ({status}){said}")


def _not_allowed(where: str, status: int, _: str, said: Complaint) -> SourceError:
    if said.has("PasswordChangeRequired"):
        cure = "log in once by hand and change it"
        return LoginRefusedError(f"the password of the account has expired ({status}): {cure}{said}")
    return NotAllowedError(f"{where} is not for this account ({status}); it needs a role that may read{said}")


def _no_such_path(where: str, status: int, _: str, said: Complaint) -> SourceError:
    return NoSuchPathError(f"{where} does not exist there ({status}){said}", status)


_MEANINGS: Mapping[int, Callable[[str, int, str, Complaint], SourceError]] = {
    400: _bad_question,
    401: _no_login,
    403: _not_allowed,
    404: _no_such_path,
    405: _no_such_path,
    410: _no_such_path,
    501: _no_such_path,
}
