"""Follows NVIDIA's UFM Enterprise in the background (UFM Enterprise REST API guide, PKey GUIDs).

Two questions a round, only reads; an account that may only read is enough.
"""

import os
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace

from hostcollector.base.errors import SourceMalformedError
from hostcollector.base.lanes import Clock
from hostcollector.config.settings import UfmSettings
from hostcollector.protocols.rest.http import Http
from hostcollector.protocols.rest.poller import DEFAULT_LIMITS, Limits, Poller
from hostcollector.protocols.rest.refusals import LoginRefusedError, NoSuchPathError, TokenRefusedError
from hostcollector.protocols.rest.target import Service, Target
from hostcollector.protocols.ufm import answers
from hostcollector.protocols.ufm.values import Answer

SERVICE = Service(name="UFM", section="ufm")
PKEYS = "/ufmRest/resources/pkeys?guids_data=true"
VERSION = "/ufmRest/app/ufm_version"


class Client(Poller[Answer]):
    """Follows one UFM. Nothing is opened before `start`. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        settings: UfmSettings,
        *,
        limits: Limits = DEFAULT_LIMITS,
        environment: Mapping[str, str] = os.environ,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(SERVICE, settings, _Questions(), limits=limits, environment=environment, clock=clock)


class _Questions:
    """The password goes with each question, and nothing is kept."""

    secrets: Collection[str] = ()

    async def ask(self, http: Http, target: Target) -> Answer:
        """Ask for the partitions with their members. Raises `SourceError`."""
        headers = {"Authorization": f"Basic {target.basic}"}
        try:
            document = await http.get(PKEYS, headers)
        except TokenRefusedError as error:
            text = f"{target.user!r} is not let in: user or password is wrong"
            raise LoginRefusedError(text) from error
        answer = answers.answer(document)
        version = ""
        with suppress(NoSuchPathError, SourceMalformedError):  # no reason not to show the rest
            version = answers.version(await http.get(VERSION, headers))
        return replace(answer, version=version)

    def forget(self) -> None:
        """Nothing is kept."""
