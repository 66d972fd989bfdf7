"""The board that answers: is the network fast enough, and does it isolate tenants from each other."""

from dashboards.src.board import Board
from dashboards.src.network_settings import POLICY, UPLINKS
from dashboards.src.panels import Column, Query, Row, Table, Target, graph, number, states
from dashboards.src.queries import SERVER, highest, named, rate
from dashboards.src.variables import Scope

_VF = f"{SERVER}, {{{{pf}}}} VF {{{{vf}}}}"
_TAP = f"{SERVER} {{{{target_device}}}}"


def _top(expr: str) -> str:
    """Return the twenty highest interfaces of the host's guests, with the guests' names."""
    return named(highest(20, expr), "OWNED")


def _share(counter: str, limit: str, direction: str) -> str:
    """Return the twenty interfaces that use the largest share of their limit."""
    return _top(
        f'({rate(counter, "OWNED")} / ignoring (direction) {limit}{{OWNED, direction="{direction}"}})'
    )


_VFS = Row(
    title="Virtual functions",
    panels=(
        graph(
            "Data",
            "Data that guests receive (up) and send (down) over VFs. Bad: one VF that uses the whole NIC.",
            Query(
                _top(f"8 * {rate('libvirt_domain_vf_receive_bytes_total', 'OWNED')}"),
                f"{_VF} received",
            ),
            Query(
                _top(f"8 * {rate('libvirt_domain_vf_transmit_bytes_total', 'OWNED')}"),
                f"{_VF} sent",
                below=True,
            ),
            unit="bps",
            leads_to=Target.GUEST,
        ),
        graph(
            "Dropped packets",
            "Packets to (up) and from (down) a VF that the NIC dropped. Bad: a rate that stays.",
            Query(
                _top(rate("libvirt_domain_vf_receive_dropped_total", "OWNED")),
                f"{_VF} to the guest",
            ),
            Query(
                _top(rate("libvirt_domain_vf_transmit_dropped_total", "OWNED")),
                f"{_VF} from the guest",
                below=True,
            ),
            unit="pps",
            warn=1,
            bad=10,
            leads_to=Target.GUEST,
        ),
        graph(
            "Share of the transmit limit",
            "Share of its rate limit that each VF sends. Bad: at 100 % the limit slows the guest down.",
            Query(
                named(
                    f"({rate('libvirt_domain_vf_transmit_bytes_total', 'OWNED')}"
                    " / libvirt_domain_vf_transmit_limit_bytes_per_second{OWNED})",
                    "OWNED",
                ),
                _VF,
            ),
            unit="percentunit",
            warn=0.9,
            bad=1,
            empty="no VF has a limit",
            leads_to=Target.GUEST,
        ),
        graph(
            "Broadcast and multicast",
            "Broadcast and multicast packets that guests send. Bad: thousands per second (a storm or an attack).",
            Query(
                _top(rate("libvirt_domain_vf_transmit_broadcast_packets_total", "OWNED")),
                f"{_VF} broadcast",
            ),
            Query(
                _top(rate("libvirt_domain_vf_transmit_multicast_packets_total", "OWNED")),
                f"{_VF} multicast",
            ),
            unit="pps",
            warn=1000,
            empty="no NIC counts them",
            leads_to=Target.GUEST,
        ),
    ),
)
_TAPS = Row(
    title="Taps",
    panels=(
        graph(
            "Data",
            "Data that guests receive (up) and send (down) over the host's own interfaces.",
            Query(
                _top(f"8 * {rate('libvirt_domain_interface_stats_receive_bytes_total', 'OWNED')}"),
                f"{_TAP} received",
            ),
            Query(
                _top(f"8 * {rate('libvirt_domain_interface_stats_transmit_bytes_total', 'OWNED')}"),
                f"{_TAP} sent",
                below=True,
            ),
            unit="bps",
            leads_to=Target.GUEST,
        ),
        graph(
            "Dropped packets",
            "Packets that a guest did not read in time (up) or could not send (down). Bad: a rate that stays.",
            Query(
                _top(rate("libvirt_domain_interface_stats_receive_drops_total", "OWNED")),
                f"{_TAP} to the guest",
            ),
            Query(
                _top(rate("libvirt_domain_interface_stats_transmit_drops_total", "OWNED")),
                f"{_TAP} from the guest",
                below=True,
            ),
            unit="pps",
            warn=1,
            bad=10,
            leads_to=Target.GUEST,
        ),
    ),
)
_LIMITS = Row(
    title="Limits",
    panels=(
        number(
            "Limits that drifted",
            "Interfaces whose definition sets a limit that the kernel has not. Bad: any.",
            "sum(libvirt_domain_interface_limit_drift{OWNED}) or vector(0)",
            warn=1,
        ),
        graph(
            "Share of the limit",
            "Share of its limit that an interface uses. Bad: at 100 % the limit slows the guest down.",
            Query(
                _share(
                    "libvirt_domain_interface_stats_receive_bytes_total",
                    "libvirt_domain_interface_limit_bytes_per_second",
                    "receive",
                ),
                f"{_TAP} received",
            ),
            Query(
                _share(
                    "libvirt_domain_interface_stats_transmit_bytes_total",
                    "libvirt_domain_interface_limit_bytes_per_second",
                    "transmit",
                ),
                f"{_TAP} sent",
                below=True,
            ),
            unit="percentunit",
            warn=0.9,
            bad=1,
            empty="no interface has a limit",
            leads_to=Target.GUEST,
        ),
        graph(
            "Share of the switch's limit",
            "Share of its limit in Open vSwitch that a port uses. Bad: at 100 % the limit slows the guest down.",
            Query(
                _share(
                    "libvirt_domain_ovs_receive_bytes_total",
                    "libvirt_domain_ovs_limit_bytes_per_second",
                    "receive",
                ),
                f"{_TAP} received",
            ),
            Query(
                _share(
                    "libvirt_domain_ovs_transmit_bytes_total",
                    "libvirt_domain_ovs_limit_bytes_per_second",
                    "transmit",
                ),
                f"{_TAP} sent",
                below=True,
            ),
            unit="percentunit",
            warn=0.9,
            bad=1,
            empty="the switch limits no port",
            leads_to=Target.GUEST,
        ),
        Table(
            title="Limits of logical ports",
            description="What OVN allows guests to send. Bad: a limit below the flavour's.",
            columns=(
                Column("Guest", "domain", leads_to=Target.GUEST),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("Logical port", "logical_port"),
                Column("UUID", "uuid", hidden=True),
                Column("Limit", unit="bps", expr="8 * libvirt_domain_ovn_limit_bytes_per_second{OWNED}"),
            ),
            width=12,
            empty="OVN limits no port",
        ),
        graph(
            "Held back",
            "Packets that a limit dropped, and times that one had to wait. Bad: drops that stay.",
            Query(
                _top(rate("libvirt_domain_interface_limit_drops_total", "OWNED")),
                f"{_TAP} {{{{direction}}}} dropped",
            ),
            Query(
                _top(rate("libvirt_domain_interface_limit_overlimits_total", "OWNED")),
                f"{_TAP} {{{{direction}}}} over the limit",
            ),
            unit="pps",
            warn=1,
            empty="no interface has a limit",
            leads_to=Target.GUEST,
        ),
    ),
)
_SWITCH = Row(
    title="Open vSwitch and OVN",
    panels=(
        graph(
            "Data",
            "Data that the switch sends to guests (up) and receives from them (down), with vhost-user ports.",
            Query(
                _top(f"8 * {rate('libvirt_domain_ovs_receive_bytes_total', 'OWNED')}"),
                f"{_TAP} received",
            ),
            Query(
                _top(f"8 * {rate('libvirt_domain_ovs_transmit_bytes_total', 'OWNED')}"),
                f"{_TAP} sent",
                below=True,
            ),
            unit="bps",
            empty="no guest is on an Open vSwitch",
            leads_to=Target.GUEST,
        ),
        graph(
            "Dropped packets",
            "Packets to (up) and from (down) guests that the switch dropped. Bad: a rate that stays.",
            Query(
                _top(rate("libvirt_domain_ovs_receive_drops_total", "OWNED")),
                f"{_TAP} to the guest",
            ),
            Query(
                _top(rate("libvirt_domain_ovs_transmit_drops_total", "OWNED")),
                f"{_TAP} from the guest",
                below=True,
            ),
            unit="pps",
            warn=1,
            bad=10,
            empty="no guest is on an Open vSwitch",
            leads_to=Target.GUEST,
        ),
        states(
            "Ports that are not up",
            "Links that are down, and logical ports that OVN has not set up. Bad: a port of a running guest.",
            Query(named("(libvirt_domain_ovs_link_up{OWNED} == 0)", "OWNED"), f"{_TAP} link"),
            Query(
                named("(libvirt_domain_ovn_port_up{OWNED} == 0)", "OWNED"),
                f"{SERVER} {{{{logical_port}}}} in OVN",
            ),
            states={"0": ("down", "red")},
            unit="none",
            empty="none",
            leads_to=Target.GUEST,
        ),
        graph(
            "Age of the switch's statistics",
            "Time since any port's statistics changed. Bad: growth while guests send; the switch no longer updates them.",
            Query("hostcollector_ovs_statistics_age_seconds{HOST}", "{{instance}}"),
            unit="s",
            warn=60,
            empty="no switch, or no statistics yet",
        ),
    ),
)
BOARD = Board(
    name="network",
    title="Network and VFs",
    description="Traffic, drops and isolation of the guests' interfaces on a hypervisor: VFs, taps, switch ports, uplinks.",
    scope=Scope.DEVICES,
    rows=(POLICY, _VFS, _TAPS, _LIMITS, _SWITCH, UPLINKS),
)
