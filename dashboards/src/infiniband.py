"""The board that answers: which InfiniBand or RoCE port is down, marginal, congested or full."""

from dashboards.src.board import Board
from dashboards.src.panels import Column, Panel, Query, Row, Table, Target, Top, graph, number
from dashboards.src.variables import Scope

_PREFIX = "hostcollector_host_infiniband"
_PORT = "{{instance}} {{device}}/{{port}}"
_KEY = "by (region, instance, device, port)"
_EMPTY = "no RDMA device"


def _increase(counter: str, window: str = "$__range") -> str:
    return f"{_PREFIX}_{counter}_total{{HOST}}[{window}]"


def _share(direction: str, matchers: str, window: str) -> str:
    return (
        f"rate({_PREFIX}_port_data_{direction}_bytes_total{{{matchers}}}[{window}])"
        f" / {_PREFIX}_rate_bytes_per_second{{{matchers}}}"
    )


_BUSIEST = Top(
    "port",
    "instance",
    f"topk(8, max by (instance) ({_share('received', 'HOST', '5m')} or {_share('transmitted', 'HOST', '5m')}))",
)
_NOW = Row(
    title="Ports",
    panels=(
        number("Ports", "InfiniBand and RoCE ports.", f"count({_PREFIX}_state_id{{HOST}})", empty="none"),
        number(
            "Ports not active",
            "Ports that are down or were not set up by the subnet manager. Bad: any with a cable.",
            f"count({_PREFIX}_state_id{{HOST}} != 4) or vector(0)",
            bad=1,
        ),
        number(
            "Links lost in the range",
            "How often links went down. Bad: any that was not planned.",
            f"sum(increase({_increase('link_downed')})) or vector(0)",
            decimals=0,
            bad=1,
        ),
        number(
            "Symbol errors in the range",
            "Errors on the wire. Bad: a cable or transceiver with many.",
            f"sum(increase({_increase('symbol_error')})) or vector(0)",
            decimals=0,
            warn=1,
        ),
        number(
            "Dropped without a buffer",
            "Packets in the range for which the receiver had no buffer. Bad: many of one port.",
            f"sum(increase({_increase('out_of_buffer_drops')})) or vector(0)",
            decimals=0,
            warn=1,
        ),
        number(
            "Guests' partitions",
            "Partitions that guests' VFs are in.",
            "count(count by (pkey) (libvirt_domain_vf_pkey_info{HOST}))",
            empty="none",
        ),
        Table(
            title="Ports not active",
            description="State and physical state of each port that is not active. Bad: one with a cable.",
            columns=(
                Column("Hypervisor", "instance", leads_to=(Target.HYPERVISOR, Target.NODE)),
                Column("Region", "region"),
                Column("Device", "device"),
                Column("Port", "port"),
                Column(
                    "State",
                    expr=f"max {_KEY} ({_PREFIX}_state_id{{HOST}} != 4)",
                    unit="none",
                    states={
                        "0": ("no change", "orange"),
                        "1": ("down", "red"),
                        "2": ("initialising", "orange"),
                        "3": ("armed", "orange"),
                        "5": ("active deferred", "orange"),
                    },
                ),
                Column(
                    "Physical state",
                    expr=f"max {_KEY} ({_PREFIX}_physical_state_id{{HOST}}"
                    f" and on (job, instance, device, port) {_PREFIX}_state_id{{HOST}} != 4)",
                    unit="none",
                    states={
                        "1": ("sleep", "blue"),
                        "2": ("polling: no cable or peer", "red"),
                        "3": ("disabled", "blue"),
                        "4": ("training", "orange"),
                        "5": ("up", "green"),
                        "6": ("recovering", "orange"),
                        "7": ("test", "blue"),
                    },
                ),
            ),
            sort="Hypervisor",
            ascending=True,
            width=12,
            height=8,
            empty="every port is active",
        ),
        Table(
            title="Worst ports of the range",
            description="Errors and congestion, the ports with most. Bad: symbol errors and lost links of one cable.",
            columns=(
                Column("Hypervisor", "instance", leads_to=(Target.HYPERVISOR, Target.NODE)),
                Column("Region", "region"),
                Column("Device", "device"),
                Column("Port", "port"),
                Column(
                    "Links lost",
                    expr=f"topk(20, sum {_KEY} (increase({_increase('link_downed')})) > 0)",
                    bad=1,
                ),
                Column(
                    "Symbol errors",
                    expr=f"topk(20, sum {_KEY} (increase({_increase('symbol_error')})) > 0)",
                    warn=1,
                ),
                Column(
                    "Integrity errors",
                    expr=f"topk(20, sum {_KEY} (increase({_increase('local_link_integrity_errors')})) > 0)",
                    warn=1,
                ),
                Column(
                    "Discards",
                    expr=f"topk(20, sum {_KEY} (increase({_increase('port_discards_transmitted')})) > 0)",
                    warn=1,
                ),
                Column(
                    "No buffer",
                    expr=f"topk(20, sum {_KEY} (increase({_increase('out_of_buffer_drops')})) > 0)",
                    warn=1,
                ),
                Column(
                    "Out of sequence",
                    expr=f"topk(20, sum {_KEY} (increase({_increase('out_of_sequence_packets_received')})) > 0)",
                    warn=1,
                ),
            ),
            sort="Symbol errors",
            width=12,
            height=8,
            empty="no errors",
        ),
    ),
)


def _ports(title: str, description: str, *counters: tuple[str, str], **about: object) -> Panel:
    """Return a graph of counters of the ports of the hypervisors whose ports are busiest."""
    queries = (
        Query(
            f'rate({_PREFIX}_{counter}_total{{HOST, instance=~"$top_port"}}[$__rate_interval])',
            f"{_PORT} {legend}",
        )
        for counter, legend in counters
    )
    return graph(title, description, *queries, empty=_EMPTY, top=_BUSIEST, **about)


def _data(title: str, description: str, unit: str, query: str) -> Panel:
    """Return a graph of what is received (up) and sent (down); `@` is the direction."""
    return graph(
        title,
        description,
        Query(query.replace("@", "received"), f"{_PORT} received"),
        Query(query.replace("@", "transmitted"), f"{_PORT} sent", below=True),
        unit=unit,
        empty=_EMPTY,
        leads_to=Target.HYPERVISOR,
        top=_BUSIEST,
    )


_CHOSEN = 'HOST, instance=~"$top_port"'
_BUSY = Row(
    title="The eight hypervisors with the busiest ports now",
    panels=(
        _data(
            "Data",
            "Data that each port receives (up) and sends (down).",
            "bps",
            f"8 * rate({_PREFIX}_port_data_@_bytes_total{{{_CHOSEN}}}[$__rate_interval])",
        ),
        _data(
            "Share of the link's rate",
            "Data by the rate of the link. Bad: 100 % in one direction; the link is the limit.",
            "percentunit",
            f"({_share('@', _CHOSEN, '$__rate_interval')})",
        ),
        _ports(
            "Congestion",
            "Congestion notifications sent and obeyed, and marked packets. Bad: a rate that stays while a job is slow.",
            ("np_cnp_packets_sent", "notified others"),
            ("rp_cnp_packets_handled", "slowed down"),
            ("np_ecn_marked_roce_packets_received", "marked packets"),
            unit="pps",
        ),
        _ports(
            "Retransmission and drops",
            "Bad: any rate that stays; RDMA is slow after each.",
            ("out_of_buffer_drops", "no buffer"),
            ("out_of_sequence_packets_received", "out of sequence"),
            ("local_ack_timeout_errors", "timeouts"),
            ("packet_sequence_errors", "sequence errors"),
            unit="pps",
            warn=1,
        ),
    ),
)
_WHICH = Row(
    title="Devices and partitions",
    folded=True,
    panels=(
        Table(
            title="Models and firmware",
            description="Devices by model and firmware. Bad: one model with several versions.",
            columns=(
                Column("Model", "hca_type"),
                Column("Board", "board_id"),
                Column("Firmware", "firmware_version"),
                Column(
                    "Devices",
                    expr=f"count by (hca_type, board_id, firmware_version) ({_PREFIX}_info{{HOST}})",
                ),
            ),
            sort="Devices",
            width=10,
            empty=_EMPTY,
        ),
        Table(
            title="Partitions of guests",
            description="InfiniBand partitions that guests' VFs are in. Bad: a partition of another tenant.",
            columns=(
                Column("Guest", "domain", leads_to=Target.GUEST),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
                Column("NIC", "pf"),
                Column("VF", "vf"),
                Column("P_Key", "pkey"),
                Column("Partition", "partition"),
                Column("Membership", "membership"),
                Column("Reported by", "origin"),
                Column("UUID", "uuid", hidden=True),
                Column("Is", expr="libvirt_domain_vf_pkey_info{HOST}", hidden=True),
            ),
            width=14,
            empty="no guest owns an InfiniBand VF",
        ),
    ),
)

BOARD = Board(
    name="infiniband",
    title="InfiniBand and RoCE",
    description="Which port of the fleet is down, marginal, congested or full? Ports are the hosts': all tenants together.",
    scope=Scope.FLEET,
    rows=(_NOW, _BUSY, _WHICH),
)
