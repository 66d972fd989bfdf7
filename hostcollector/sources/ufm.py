"""The `ufm` source: state of the fabric's manager. The `sriov` source shows its partitions by guest.

Requests go on in the background; a read takes the last good answer. Off while nothing is configured.
"""

from hostcollector.base.model import Sample
from hostcollector.base.source import Reading, Request, Source
from hostcollector.base.wording import duration
from hostcollector.catalogue import network as rows
from hostcollector.protocols.ufm import UfmClient


class Ufm(Source):
    """Shows the client's last answer; `client` is None without a configured UFM."""

    name = "ufm"

    def __init__(self, client: UfmClient | None) -> None:
        self._client = client

    def start(self) -> None:
        """Start to poll in the background."""
        if self._client is not None:
            self._client.start()

    def read(self, request: Request) -> Reading:  # noqa: ARG002 - memberships are shown with the VFs
        """Return the series of UFM itself, without waiting. Raises `SourceError` before the first answer.

        After a failure the last good answer is shown with its age; the reading is partial then.
        """
        if self._client is None:
            return Reading(samples=(), off="ufm.url is not set")
        answer, age, failure = self._client.current()
        samples = (
            Sample(rows.UFM_AGE, age),
            Sample(rows.UFM_INFO, 1.0, (answer.version,)),
            Sample(rows.UFM_PARTITIONS, answer.partitions),
        )
        late = (f"the last answer is {duration(age)} old: {failure}",) if failure else ()
        return Reading(
            samples=samples,
            notes=(*late, *answer.notes),
            partial=bool(failure or answer.unread),
            missing=answer.unread,
        )

    def settle(self, seconds: float) -> None:
        """Wait for the first answer or failure."""
        if self._client is not None:
            self._client.settle(seconds)

    def close(self) -> None:
        """Stop polling."""
        if self._client is not None:
            self._client.close()
