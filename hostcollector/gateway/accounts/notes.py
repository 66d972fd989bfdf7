"""What a worker notes of requests in the accounts database."""

from dataclasses import dataclass

from hostcollector.gateway.accounts.last_use import LastUse
from hostcollector.gateway.accounts.metering import Metering


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """When tokens were used, and what tenants have read."""

    last_use: LastUse
    metering: Metering

    def close(self) -> None:
        """Let the threads end."""
        self.last_use.close()
        self.metering.close()
