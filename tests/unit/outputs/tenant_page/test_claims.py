"""Each rule that isolates tenants, and that its test fails when the rule is taken out."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from hostcollector.base.model import Guest, Metric, Tenant
from hostcollector.catalogue import block, cpu, gpu, guest
from hostcollector.guests.presence import Presence
from hostcollector.outputs.tenant_page import lives, membership, page, views
from hostcollector.outputs.tenant_page.devices import Device
from hostcollector.protocols.libvirt.events import DomainEvent
from tests.fakes.tenants import NOW, STARTED, TenantHost, customer, plain_label, small, snapshot

ACME = customer(1, "acme")
UUID = ACME.domain.uuid
WAIT, CPU = ("vm_cpu_wait_seconds_total", "acme", UUID, "0"), ("vm_cpu_seconds_total", "acme", UUID, "0")
Claim = Callable[[Path], None]


def one(_row: Metric, known: Guest | None) -> float:
    """Return a value that is plausible everywhere: the start of a QEMU, else 1."""
    return STARTED if known is not None and _row is guest.START_TIME else 1.0


def of_tenant(tenant: str) -> Guest:
    """Return the same guest with another tenant, and a definition that was read anew."""
    return replace(ACME, tenant=Tenant(id=tenant), domain=replace(ACME.domain))


def neighbours_are_seen_in_steps(directory: Path) -> None:
    """Show the waiting time once a minute, in steps of 0.6 s, with the right sum."""
    host = TenantHost(directory)
    shown = []
    for second in range(0, 200, 5):
        made = small(ACME, {cpu.VCPU_DELAY: {("0",): second * 0.0371}}, taken_at=NOW + second)
        shown.append(host.values(made)[WAIT])
    minutes = {
        int((NOW + second) // 60): value for second, value in zip(range(0, 200, 5), shown, strict=True)
    }
    assert len(set(shown)) <= len(minutes)
    assert all(abs(value / 0.6 - round(value / 0.6)) < 1e-6 for value in shown)
    assert shown == sorted(shown)
    assert shown[-1] > 5.0


def a_new_tenant_starts_at_zero(directory: Path) -> None:
    """Show the new tenant its own work only, in every counter, also after a restart of the daemon."""
    host = TenantHost(directory)
    ran = {cpu.VCPU_TIME: {("0",): 5000.0}, block.READ_BYTES: {(ACME.domain.disks[0].target,): 9e9}}
    assert host.values(small(ACME, ran, start=NOW - 10))[CPU] == 5000.0
    globex = of_tenant("globex")
    for restarts in (False, True):
        if restarts:
            host.restarted()
        later = {cpu.VCPU_TIME: {("0",): 5003.0}, block.READ_BYTES: {(ACME.domain.disks[0].target,): 9e9 + 7}}
        host.values(small(globex, ran, taken_at=NOW + 60, start=NOW - 10))
        shown = host.values(small(globex, later, taken_at=NOW + 75, start=NOW - 10))
        assert shown["vm_cpu_seconds_total", "globex", UUID, "0"] == 3.0
        assert shown["vm_disk_read_bytes_total", "globex", UUID, "0"] == 7
        assert shown["vm_start_time_seconds", "globex", UUID] == NOW + 60
        assert not [key for key in shown if key[1] == "acme"]


def a_shared_gpu_shows_nothing_of_the_device(directory: Path) -> None:
    """Show the guest of a vGPU its own memory and engines; no power, clocks or errors of the GPU."""
    made = snapshot([ACME], one, plain_label)
    info = next(family for family in made.families if family.metric is gpu.INFO.guest)
    ((labels, value),) = info.series.items()
    shared = replace(info, series={(*labels[:-1], "vgpu"): value})
    families = tuple(shared if family is info else family for family in made.families)
    shown = TenantHost(directory).values(replace(made, families=families))
    names = {key[0] for key in shown if key[0].startswith("vm_gpu_")}
    assert names == {
        "vm_gpu_info",
        "vm_gpu_utilization_ratio",
        "vm_gpu_memory_bytes",
        "vm_gpu_memory_used_bytes",
    }


def a_guest_that_leaves_is_not_shown(directory: Path) -> None:
    """Take the guest off the page at the switch of a migration, whatever the snapshot has."""
    host = TenantHost(directory, presence=Presence(lambda: NOW + 1))
    made = small(ACME, {cpu.VCPU_TIME: {("0",): 1.0}})
    assert CPU in host.values(made)
    host.presence.take(DomainEvent(uuid=UUID, name="web", event="suspended", detail="migrated"))
    assert host.values(made) == {}


def a_tenant_that_has_just_lost_a_guest_sees_no_more_of_it(directory: Path) -> None:
    """Show the guest to no tenant between the change of its definition and the next collection."""
    host = TenantHost(directory)
    made = small(ACME, {cpu.VCPU_TIME: {("0",): 1.0}})
    assert CPU in host.values(made)
    host.present = {UUID: replace(ACME.domain)}
    host.tenants = {UUID: Tenant(id="globex")}
    assert host.page.encode(made) == b""
    host.tenants = {}
    assert host.page.encode(made) != b"", "a resolver that finds nothing is no change"


def devices_have_numbers(directory: Path) -> None:
    """Show a disk, an interface and a GPU by number, not by the host's names."""
    text = TenantHost(directory).text(snapshot([ACME], one, plain_label))
    assert 'disk="0"' in text
    assert 'gpu="0"' in text
    assert 'nic="1"' in text
    for name in ("vda-x", "tap-x", "0000:3b", "0000:41"):
        assert name not in text


def a_tenant_id_of_another_form_has_no_page(directory: Path) -> None:
    """Show nothing for an id that another part of the way could read differently."""
    for tenant in ("", "a/b", "a b", "-a", "a" * 65, "acme\n", "{}", "a,b"):
        assert TenantHost(directory / str(len(tenant))).text(small(of_tenant(tenant), {})) == "", tenant


CLAIMS: list[Claim] = [
    neighbours_are_seen_in_steps,
    a_new_tenant_starts_at_zero,
    a_shared_gpu_shows_nothing_of_the_device,
    a_guest_that_leaves_is_not_shown,
    a_tenant_that_has_just_lost_a_guest_sees_no_more_of_it,
    devices_have_numbers,
    a_tenant_id_of_another_form_has_no_page,
]


@pytest.mark.parametrize("claim", CLAIMS)
def test_claim(claim: Claim, tmp_path: Path) -> None:
    """The page keeps what it promises."""
    claim(tmp_path)


def _yes(*_arguments: object) -> bool:
    return True


@pytest.mark.parametrize(
    ("claim", "where", "step", "instead"),
    [
        (neighbours_are_seen_in_steps, page, "_in_steps", lambda _life, _key, value, _step, _at: value),
        (a_new_tenant_starts_at_zero, lives.Life, "own_part", lambda _life, _key, value: (value, False)),
        (a_new_tenant_starts_at_zero, lives, "SAME_SECONDS", -1.0),
        (a_shared_gpu_shows_nothing_of_the_device, views._Plan, "meant", _yes),
        (a_guest_that_leaves_is_not_shown, Presence, "is_here", _yes),
        (
            a_tenant_that_has_just_lost_a_guest_sees_no_more_of_it,
            membership.Register,
            "_tenant_now",
            lambda _register, _domain: "",
        ),
        (a_tenant_id_of_another_form_has_no_page, membership, "fit", lambda tenant: tenant.id),
    ],
)
def test_a_claim_fails_without_its_step(
    claim: Claim, where: object, step: str, instead: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step is what the promise rests on: without it the test of the promise fails."""
    monkeypatch.setattr(where, step, instead)
    with pytest.raises(AssertionError):
        claim(tmp_path)


def test_guests_that_the_operators_page_leaves_out_are_on_it(tmp_path: Path) -> None:
    """The selection of guests is about the operator's page only."""
    made = small(ACME, {cpu.VCPU_TIME: {("0",): 1.0}})
    hidden = replace(made, families=(), guests=(), hidden=made.families, hidden_guests=made.guests)
    host = TenantHost(tmp_path, present={UUID: ACME.domain})
    assert (
        f'vm_cpu_seconds_total{{tenant="acme",vcpu="0",vm="{UUID}"}} 1.0' in host.page.encode(hidden).decode()
    )


def test_names_of_the_host_are_kept_out_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without numbers the allow-list of values keeps them out; without both they are on the page."""

    def names(devices: Iterable[tuple[Device, str]]) -> dict[tuple[str, str], str]:
        return {(device.kind, name): name for device, _ in devices for name in device.names}

    monkeypatch.setattr(membership, "numbers_of", names)
    devices_have_numbers(tmp_path / "one")
    monkeypatch.setattr(views, "allowed", _yes)
    with pytest.raises(AssertionError):
        devices_have_numbers(tmp_path / "both")
