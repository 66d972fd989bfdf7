"""The roles' documented arguments say what their defaults are, and the pinned release is this one."""

import json
import re
from typing import Any

import jinja2
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
    """The version exists once in the package; the roles pin the same."""
    for role in ("hostcollector", "tenant_gateway"):
        assert _load(role, "defaults/main.yml")[f"{role}_version"] == __version__


def test_shards_keep_different_hosts_of_one_hash() -> None:
    """Each server takes the hosts whose hash has its number, of as many numbers as there are servers."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLES / "fleet_prometheus/templates"),
        trim_blocks=True,
        autoescape=True,
    )
    templates.filters["to_json"] = json.dumps
    templates.tests["match"] = lambda text, pattern: re.match(pattern, text) is not None
    defaults = {**_load("fleet_prometheus", "defaults/main.yml"), "fleet_prometheus_shards": 3}
    jobs = [
        yaml.safe_load(
            templates.get_template("job.yml.j2").render(defaults | {"fleet_prometheus_shard": shard})
        )
        for shard in range(3)
    ]
    steps = [job["relabel_configs"] for (job,) in jobs]
    assert {hashed["modulus"] for hashed, _ in steps} == {3}
    assert [kept["regex"] for _, kept in steps] == ["0", "1", "2"]
    assert all(hashed["target_label"] == kept["source_labels"][0] for hashed, kept in steps)
