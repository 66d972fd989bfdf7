"""The paths of the typed API and their description are one list."""

from unittest.mock import create_autospec

from hostcollector.gateway.api.openapi import openapi
from hostcollector.gateway.api.routes import typed_routes, usage_routes
from hostcollector.gateway.api.typed import Typed
from hostcollector.gateway.api.usage import Usage
from tests.places import REPOSITORY


def test_each_path_of_the_typed_api_is_described() -> None:
    """openapi.json names every route that answers with JSON, and docs/gateway.md names all of them."""
    routes = [
        *typed_routes(create_autospec(Typed, instance=True), create_autospec(Typed.vms)),
        *usage_routes(create_autospec(Usage, instance=True)),
    ]
    names = {route.name for route in routes}
    undescribed = names ^ {*openapi()["paths"], "/api/v1/openapi.json", "/api/v1/scrape"}
    assert not undescribed, "gateway/api/openapi.py and gateway/api/routes.py differ"
    table = (REPOSITORY / "docs/gateway.md").read_text()
    missing = [name for name in sorted(names) if f"`{name.replace('{vm}', 'ID')}" not in table]
    assert not missing, "these paths are not in the table of docs/gateway.md"
