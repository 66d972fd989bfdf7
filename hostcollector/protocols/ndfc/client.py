"""Follows the controller in the background, fabric by fabric.

A round logs in where there is no valid token. Networks change over days: the last good answer stays while
the controller does not answer.
"""

import os
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hostcollector.base.errors import SourceError, SourceMalformedError, SourceUnavailableError
from hostcollector.base.gaps import Gaps
from hostcollector.base.lanes import Clock
from hostcollector.base.wording import duration
from hostcollector.config.services import NdfcSettings
from hostcollector.protocols.ndfc import answers
from hostcollector.protocols.ndfc.answers import FabricVlans, NdfcAnswer, Placement
from hostcollector.protocols.ndfc.paths import DCNM, NDFC, Paths, of_cluster
from hostcollector.protocols.rest.http import Http
from hostcollector.protocols.rest.poller import DEFAULT_LIMITS, Limits, Poller
from hostcollector.protocols.rest.refusals import (
    BusyError,
    LoginRefusedError,
    NoSuchPathError,
    TokenRefusedError,
)
from hostcollector.protocols.rest.target import Service, Target

SERVICE = Service(name="NDFC", section="ndfc")
# The requested lifetime of a DCNM token, in milliseconds; NDFC sets its own.
_DCNM_TOKEN_MILLISECONDS = 1_800_000


class NdfcClient(Poller[NdfcAnswer]):
    """Follows one controller. Nothing is opened before `start`. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        settings: NdfcSettings,
        *,
        limits: Limits = DEFAULT_LIMITS,
        environment: Mapping[str, str] = os.environ,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(
            SERVICE,
            settings,
            _Questions(settings, clock),
            limits=limits,
            environment=environment,
            clock=clock,
        )


class _Questions:
    """One round at a time. A login lasts as long as the controller accepts its token."""

    def __init__(self, settings: NdfcSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._access: Login | None = None
        self._placed: Mapping[str, FabricVlans] = {}

    @property
    def secrets(self) -> Collection[str]:
        """The token."""
        return {self._access.token} if self._access else ()

    async def ask(self, http: Http, target: Target) -> NdfcAnswer:
        """Request everything. Raises `SourceError`."""
        this = Round(http, target, self._settings, self._access, self._placed, self._clock)
        try:
            answer = await this.answer()
        finally:
            self._access = this.access
        self._placed = this.placed
        return answer

    def forget(self) -> None:
        """Log in again: the controller may have another version now."""
        self._access = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A login: the paths of this controller, its version, and the headers that carry the token."""

    paths: Paths
    version: str = ""
    token: str = field(repr=False)

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of a request."""
        if self.paths.generation == DCNM.generation:
            return {"Dcnm-Token": self.token}
        return {"Authorization": f"Bearer {self.token}", "Cookie": f"AuthCookie={self.token}"}


class Round:
    """The requests of one round, with an earlier round's `access`, which is renewed when it has expired."""

    def __init__(
        self,
        http: Http,
        target: Target,
        settings: NdfcSettings,
        access: Login | None,
        before: Mapping[str, FabricVlans],
        clock: Clock,
    ) -> None:
        self._http = http
        self._target = target
        self._settings = settings
        self._before = before
        self._clock = clock
        self._gaps = Gaps()
        self.access = access
        self.placed: dict[str, FabricVlans] = {}
        """The networks of the VLANs by fabric, after the answer."""

    async def answer(self) -> NdfcAnswer:
        """Request everything. A fabric that cannot be read costs itself; raises `SourceError` if none can.

        Such a fabric keeps its networks of the round `before`: without them a VLAN of two fabrics would look
        like a VLAN of only the other one.
        """
        access = self.access or await self._log_in()
        fabrics = self._settings.fabrics or answers.fabric_names(
            await self._get(access.paths.fabrics), self._gaps
        )
        failures = [failure for fabric in fabrics if (failure := await self._read(access.paths, fabric))]
        if failures and len(failures) == len(fabrics):
            raise failures[0]
        vlans: dict[int, set[Placement]] = {}
        for vlan, placement in (pair for placed in self.placed.values() for pair in placed.vlans):
            vlans.setdefault(vlan, set()).add(placement)
        return NdfcAnswer(
            version=access.version,
            vlans={vlan: tuple(sorted(found, key=_order)) for vlan, found in vlans.items()},
            notes=self._gaps.notes,
            unread=self._gaps.count,
        )

    async def _read(self, paths: Paths, fabric: str) -> SourceError | None:
        """Read one fabric; return why it cannot be read. Raises errors of the whole controller."""
        asked_at = self._clock()
        try:
            vlans = tuple([pair async for pair in self._placements(paths, fabric)])
            self.placed[fabric] = FabricVlans(vlans=vlans, asked_at=asked_at)
        except (LoginRefusedError, TokenRefusedError, BusyError):
            raise
        except NoSuchPathError as error:
            # The list also has fabrics that the controller does not manage, such as external ones.
            if self._settings.fabrics:
                self._gaps.unread(f"fabric {fabric!r}", error)
            else:
                self._gaps.fact(f"fabric {fabric!r} has no networks of the controller's: {error}")
            return error
        except SourceError as error:
            before = self._before.get(fabric)
            if before is None:
                self._gaps.unread(f"fabric {fabric!r}", error)
            else:
                age = duration(self._clock() - before.asked_at)
                self._gaps.unread(f"fabric {fabric!r}", f"{error}; its networks of {age} ago stay")
                self.placed[fabric] = before
            return error
        return None

    async def _placements(self, paths: Paths, fabric: str) -> AsyncIterator[tuple[int, Placement]]:
        known = answers.networks(await self._get(paths.networks(fabric)), self._gaps)
        vnis = await self._vnis(paths, fabric)
        for path in paths.attachments(fabric, known):
            attached = answers.attachments(await self._get(path), self._settings.switches, self._gaps)
            for found in answers.placements(fabric, known, vnis, attached):
                yield found

    async def _vnis(self, paths: Paths, fabric: str) -> Mapping[str, int]:
        """Return the VNIs of a fabric's VRFs; its networks are shown without them too."""
        try:
            return answers.vrf_vnis(await self._get(paths.vrfs(fabric)), self._gaps)
        except (NoSuchPathError, SourceMalformedError) as error:
            self._gaps.unread(f"the VRFs of fabric {fabric!r}", error)
            return {}

    async def _get(self, path: str) -> Any:
        """Return a document; a token that has expired during the round is renewed, once."""
        access = self.access or await self._log_in()
        try:
            return await self._http.get(path, access.headers)
        except TokenRefusedError:
            access = await self._log_in()
            return await self._http.get(path, access.headers)

    async def _log_in(self) -> Login:
        """Get a token, and the generation and version of the controller."""
        self.access = None
        paths, token = await self._token()
        access = Login(paths=paths, token=token)
        version = ""
        with suppress(NoSuchPathError, SourceMalformedError):  # the rest can be read without it
            version = answers.version(await self._http.get(paths.version, access.headers))
        at = of_cluster(paths, self._settings.cluster, version)
        self.access = Login(paths=at, version=version, token=token)
        return self.access

    async def _token(self) -> tuple[Paths, str]:
        for paths, body, headers in self._logins():
            try:
                reply = await self._http.post(paths.login, body, headers)
            except (NoSuchPathError, SourceMalformedError):
                continue  # another generation, with another login
            except TokenRefusedError as error:
                raise LoginRefusedError(self._refusal("user or password is wrong")) from error
            return paths, self._token_of(reply)
        raise SourceUnavailableError("neither NDFC nor DCNM answers there; see ndfc.url")

    def _logins(self) -> Iterator[tuple[Paths, Mapping[str, Any], Mapping[str, str]]]:
        """Yield the logins, the likeliest first: NDFC, its older spelling, DCNM 11."""
        user, password, domain = self._target.user, self._target.password, self._settings.domain
        yield NDFC, {"userName": user, "userPasswd": password, "domain": domain}, {}
        yield NDFC, {"username": user, "password": password, "domain": domain}, {}
        basic = {"Authorization": f"Basic {self._target.basic}"}
        yield DCNM, {"expirationTime": _DCNM_TOKEN_MILLISECONDS}, basic

    def _token_of(self, reply: Any) -> str:
        found = reply if isinstance(reply, dict) else {}
        for key in ("token", "jwttoken", "Dcnm-Token"):
            token = found.get(key)
            if isinstance(token, str) and token.isascii() and token.isprintable() and token:
                return token
        raise LoginRefusedError(self._refusal(answers.complaint(reply) or "it gives no token"))

    def _refusal(self, why: str) -> str:
        return f"{self._target.user!r} is not let in: {why}"


def _order(placement: Placement) -> tuple[str, str]:
    return placement.fabric, placement.network
