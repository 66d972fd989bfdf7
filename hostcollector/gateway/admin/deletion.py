"""Deletes a tenant's series in the store, with the operator's certificate: the one request that deletes."""

import urllib.error
import urllib.request
from urllib.parse import urlencode

from hostcollector.gateway.errors import ErasureError
from hostcollector.gateway.settings import StoreSettings
from hostcollector.gateway.store.client import store_context
from hostcollector.gateway.tenant import checked_tenant

PATH = "/api/v1/admin/tsdb/delete_series"
SECONDS = 300.0
"""How long the store may take: it goes through the names of all series of the tenant."""


class SeriesDeletion:
    """Deletes in one store. The constructor reads the certificates, and raises `ConfigError`."""

    def __init__(self, settings: StoreSettings) -> None:
        self._url = settings.url + PATH
        self._context = store_context(settings) if settings.url.startswith("https:") else None

    def __call__(self, tenant: str) -> str:
        """Delete every series with a tenant's label and return what was done. Raises `ErasureError`."""
        selector = (
            f'{{tenant="{checked_tenant(tenant)}"}}'  # an id has no character that a string would escape
        )
        url = f"{self._url}?{urlencode({'match[]': selector})}"
        request = urllib.request.Request(url, b"", method="POST")  # noqa: S310 - settings take http and https
        try:
            with urllib.request.urlopen(  # noqa: S310 - the same
                request, timeout=SECONDS, context=self._context
            ):
                return "deleted in the store; no query returns them"
        except urllib.error.HTTPError as error:
            raise ErasureError(f"the store answers {error.code}: {_reason(error.code)}") from error
        except OSError as error:
            raise ErasureError(f"the store does not answer: {getattr(error, 'reason', error)}") from error


def _reason(status: int) -> str:
    if status in {401, 403}:
        return "this certificate has no right to delete there (tenant_store_clients of the role)"
    return "see the store's log"
