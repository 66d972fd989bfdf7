"""What `diagnose` says about the tenant page: what tenants see, and which guests are not on it and why."""

from collections.abc import Iterator
from itertools import groupby

from hostcollector.base.model import Snapshot
from hostcollector.base.wording import counted, named, one_line
from hostcollector.outputs.tenant_page import PATH
from hostcollector.outputs.tenant_page.page import TenantPage

_MOST_NAMED = 8


def lines(page: TenantPage, snapshot: Snapshot, *, served: bool) -> Iterator[str]:
    """Yield the lines; `served` is whether the configuration switches the page on."""
    made, membership = page.make(snapshot)
    tenants = {member.vm.tenant for member in membership.members.values()}
    state = "" if served else " would be on it (tenants.page is false: it is not served)"
    yield (
        f"Tenant page {PATH}: {counted(len(membership.members), 'VM')} of {counted(len(tenants), 'tenant')}, "
        f"{counted(made.sample_count, 'series', 'series')}{state}"
    )
    absent = sorted(membership.absent, key=lambda one: one[1].value)
    for why, group in groupby(absent, key=lambda one: one[1]):
        names = [one_line(guest.domain.name) for guest, _ in group]
        yield f"  {named(names, _MOST_NAMED)}: {why}"
    for reason, count in page.left_out.items():
        if count:
            yield f"  {counted(count, 'series', 'series')} left out so far: {_REASONS[reason]}"
    yield from (f"  {one_line(problem)}" for problem in page.problems)
    if tenants:
        yield "  `hostcollector collect --tenant ID` prints what a tenant sees"


_REASONS = {
    "label": "a label has a value that the catalogue does not allow",
    "limit": "a metric has too many series for one VM",
    "duplicate": "two sources report the same of a device; the first one is shown",
}
