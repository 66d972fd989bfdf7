"""What limits a link is read from the kernel's messages, of any form, and whatever is cut off them."""

import subprocess
import sys
from pathlib import Path

import pytest

from hostcollector.protocols.netlink.traffic_control import (
    ARRIVAL,
    ROOT,
    Held,
    HtbClass,
    Policer,
    Qdisc,
    htb_class,
    policers,
    qdisc,
)
from tests.fakes.traffic_messages import (
    action_filter,
    class_message,
    old_filter,
    police,
    qdisc_message,
    rates,
)

RATE = 1_000_000
HELD = Held(drops=37, overlimits=120)


def test_a_qdisc_has_its_limit_and_what_it_held_back() -> None:
    """A TBF has its rate itself, an HTB has it in its classes."""
    tbf = qdisc_message(7, ROOT, "tbf", rates(RATE), held=(37, 120))
    assert qdisc(tbf) == Qdisc(7, ROOT, "tbf", RATE, HELD)
    htb = qdisc_message(7, ROOT, "htb", held=(37, 120))
    assert qdisc(htb) == Qdisc(7, ROOT, "htb", None, HELD)
    assert qdisc(qdisc_message(7, ARRIVAL, "ingress")) == Qdisc(7, ARRIVAL, "ingress", None, None)
    root = class_message(7, 0x10001, ROOT, rates(RATE))
    assert htb_class(root) == HtbClass(0x10001, ROOT, RATE)


def test_what_limits_nothing_is_left_out() -> None:
    """Other kinds, and those below another one, say nothing of the whole link."""
    assert qdisc(qdisc_message(7, ROOT, "pfifo_fast")) is None
    assert qdisc(qdisc_message(7, 0x10001, "tbf", rates(RATE))) is None
    assert htb_class(class_message(7, 0x10001, ROOT, rates(RATE), kind="hfsc")) is None
    assert list(policers(action_filter(7, "matchall", "gact", b""))) == []


def test_a_rate_of_more_than_32_bits_is_read() -> None:
    """The old field is full; the new attribute has the rate."""
    fast = 12_500_000_000
    assert htb_class(class_message(7, 1, ROOT, rates(2**32 - 1, wide=(6, fast)))) == HtbClass(1, ROOT, fast)
    tbf = qdisc(qdisc_message(7, ROOT, "tbf", rates(2**32 - 1, wide=(4, fast))))
    assert tbf is not None
    assert tbf.rate == fast


@pytest.mark.parametrize("kind", ["u32", "matchall", "basic", "fw", "flower"])
def test_a_policer_is_found_in_every_classifier(kind: str) -> None:
    """As an action, with its own counters."""
    message = action_filter(7, kind, "police", police(4, RATE), held=(37, 120))
    assert list(policers(message)) == [Policer(4, RATE, HELD)]


@pytest.mark.parametrize("kind", ["u32", "basic", "fw"])
def test_a_policer_of_the_old_form_has_its_counters_beside_it(kind: str) -> None:
    """So libvirt and Proxmox write it: `police` without `action`."""
    message = old_filter(7, kind, police(4, RATE), held=(37, 120))
    assert list(policers(message)) == [Policer(4, RATE, HELD)]


def test_a_policer_of_packets_has_no_rate() -> None:
    """Its rate in bytes is 0."""
    message = action_filter(7, "matchall", "police", police(4, 0), held=(37, 120))
    assert list(policers(message)) == [Policer(4, None, HELD)]


def test_messages_that_are_cut_short_have_what_there_is() -> None:
    """Wherever they end, and never an invented number."""
    whole = (
        qdisc_message(7, ROOT, "tbf", rates(RATE), held=(37, 120)),
        class_message(7, 0x10001, ROOT, rates(RATE)),
        action_filter(7, "u32", "police", police(4, RATE), held=(37, 120)),
        old_filter(7, "u32", police(4, RATE), held=(37, 120)),
    )
    for message in whole:
        for cut in range(len(message)):
            part = message[:cut]
            found = qdisc(part)
            assert found is None or (found.rate in (None, RATE) and found.held in (None, HELD))
            known = htb_class(part)
            assert known is None or known.rate in (None, RATE)
            assert all(policer.rate == RATE and policer.held in (None, HELD) for policer in policers(part))


REAL = """
import subprocess, sys, time
from hostcollector.protocols.netlink.route_socket import RouteSocket
from hostcollector.protocols.netlink.traffic_control import ON_ARRIVAL, ROOT, ARRIVAL
import os
os.setgid(65534); os.setuid(65534)
route, until = RouteSocket(), time.monotonic() + 20
one, two = route.index("tap0"), route.index("tap1")
found = route.qdiscs(until)
assert found[one, ROOT].kind == "htb" and found[one, ARRIVAL].kind == "ingress", found
assert (found[two, ROOT].kind, found[two, ROOT].rate) == ("tbf", 125000), found
rates = {known.handle: known.rate for known in route.classes(one, until).values() if known.parent == ROOT}
assert rates == {0x10001: 1000000}, rates
assert route.policers(one, ON_ARRIVAL, until) == {}
"""
SET = """
ip tuntap add tap0 mode tap && ip tuntap add tap1 mode tap || exit 77
tc qdisc add dev tap0 root handle 1: htb default 1 || exit 77
tc class add dev tap0 parent 1: classid 1:1 htb rate 1000kbps ceil 2000kbps burst 64kb
tc class add dev tap0 parent 1:1 classid 1:2 htb rate 300kbps
tc qdisc add dev tap0 ingress || exit 77
tc qdisc add dev tap1 root tbf rate 1mbit burst 32kb latency 50ms || exit 77
exec "$@"
"""


@pytest.mark.lab
def test_the_real_kernel_answers_an_account_without_rights() -> None:
    """HTB, TBF and ingress of two taps in a network namespace, read by an account without capabilities."""
    ran = subprocess.run(
        ["unshare", "--net", "sh", "-c", SET, "sh", sys.executable, "-c", REAL],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[4],
    )
    assert ran.returncode == 0, ran.stderr
