"""The roles' documented arguments say what their defaults are, and the pinned release is this one."""

from typing import Any

import pytest
import yaml

from hostcollector import __version__
from tests.places import REPOSITORY

ROLES = REPOSITORY / "ansible/roles"


def _load(role: str, file: str) -> Any:
    return yaml.safe_load((ROLES / role / file).read_text())


@pytest.mark.parametrize("role", sorted(path.name for path in ROLES.iterdir()))
def test_every_default_is_documented_and_equal(role: str) -> None:
    """defaults/main.yml and the entry points of meta/argument_specs.yml name the same variables."""
    documented: dict[str, Any] = {}
    for entry in _load(role, "meta/argument_specs.yml")["argument_specs"].values():
        for name, option in entry["options"].items():
            assert documented.setdefault(name, option["default"]) == option["default"], name
    assert documented == _load(role, "defaults/main.yml")


@pytest.mark.parametrize("role", sorted(path.name for path in ROLES.iterdir()))
def test_every_variable_bears_the_name_of_its_role(role: str) -> None:
    """So that the variables of two roles never meet."""
    assert all(name.startswith(f"{role}_") for name in _load(role, "defaults/main.yml"))


def test_the_release_that_is_deployed_is_this_one() -> None:
    """The version exists once in the package; the role pins the same."""
    assert _load("hostcollector", "defaults/main.yml")["hostcollector_version"] == __version__
