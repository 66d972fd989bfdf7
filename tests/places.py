"""Where the repository and the recorded inputs are."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
FIXTURES = REPOSITORY / "tests" / "fixtures"
HYBRID = FIXTURES / "hosts" / "hybrid"
"""A captured hypervisor, see ``hosts/README.md``."""
DOMAIN_XML = FIXTURES / "domain.xml"
