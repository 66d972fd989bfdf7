"""The board that answers: does the network between tenants carry what it should, and keep apart what it must."""

from dashboards.src.board import Board
from dashboards.src.panels import Column, Query, Row, Table, Target, graph, number
from dashboards.src.variables import Depth

_VF = "{{domain}} ({{tenant}}), {{pf}} VF {{vf}}"

_POLICY = Row(
    title="Isolation",
    panels=(
        number(
            "Broken rules",
            "Rules that keep tenants apart and that some VF breaks. Bad: any.",
            "sum(libvirt_domain_vf_policy_drift{GUEST}) or vector(0)",
            bad=1,
        ),
        number(
            "VFs with guests",
            "VFs that guests own.",
            "count(libvirt_domain_vf_info{GUEST})",
            empty="none",
        ),
        number(
            "VFs without",
            "VFs that no guest owns.",
            "count(hostcollector_host_vf_info{HOST})",
            empty="none",
        ),
        number(
            "Cards that do not count",
            "Cards whose driver counts nothing for each VF: they have no traffic below. Bad for accounting: any.",
            "count(hostcollector_host_pf_vf_counters_supported{HOST} == 0) or vector(0)",
            warn=1,
        ),
        number(
            "Unclaimed switch ports",
            "Ports that were made for a guest and belong to no active one. Bad: a number that grows.",
            "sum(hostcollector_ovs_ports_unclaimed{HOST})",
            empty="no switch",
            warn=1,
        ),
        number(
            "VLANs nobody knows",
            "VLANs of guests that the fabric's controller has no network for. Bad: any.",
            "sum(hostcollector_network_vlans_unresolved{HOST})",
            empty="no NDFC",
            warn=1,
        ),
        Table(
            title="Rules that are broken",
            description="VFs that are not set as isolation between tenants wants it. Bad: any line.",
            columns=(
                Column("Guest", "domain", leads_to=Target.GUEST),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("Hypervisor", "instance", leads_to=Target.HYPERVISOR),
                Column("Card", "pf"),
                Column("VF", "vf"),
                Column("Rule", "rule"),
                Column("UUID", "uuid", hidden=True),
                Column("Broken", expr="libvirt_domain_vf_policy_drift{GUEST} == 1", hidden=True),
            ),
            width=12,
            empty="every VF keeps the rules",
        ),
        Table(
            title="VFs of guests",
            description="What each VF is and how fast it may send. Bad: VLAN 0, or a driver that is not vfio-pci.",
            columns=(
                Column("Guest", "domain", leads_to=Target.GUEST),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("Card", "pf"),
                Column("VF", "vf"),
                Column("MAC", "mac"),
                Column("VLAN", "vlan"),
                Column("Driver", "driver"),
                Column("UUID", "uuid", hidden=True),
                Column("Is", expr="libvirt_domain_vf_info{GUEST}", hidden=True),
            ),
            width=12,
            empty="no guest owns a VF",
        ),
    ),
)
_VFS = Row(
    title="Virtual functions",
    panels=(
        graph(
            "Data",
            "What guests receive (up) and send (down) over VFs. Bad: one VF that takes the whole card.",
            Query(
                "topk(20, rate(libvirt_domain_vf_receive_bytes_total{GUEST}[$__rate_interval]))",
                f"{_VF} received",
            ),
            Query(
                "topk(20, rate(libvirt_domain_vf_transmit_bytes_total{GUEST}[$__rate_interval]))",
                f"{_VF} sent",
                below=True,
            ),
            unit="Bps",
            leads_to=Target.GUEST,
        ),
        graph(
            "Dropped packets",
            "Packets to (up) and from (down) a VF that the card dropped. Bad: any that goes on.",
            Query(
                "topk(20, rate(libvirt_domain_vf_receive_dropped_total{GUEST}[$__rate_interval]))",
                f"{_VF} to the guest",
            ),
            Query(
                "topk(20, rate(libvirt_domain_vf_transmit_dropped_total{GUEST}[$__rate_interval]))",
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
            "How much of its rate limit each VF sends. Bad: at 100 % the guest is slowed down on purpose.",
            Query(
                "rate(libvirt_domain_vf_transmit_bytes_total{GUEST}[$__rate_interval])"
                " / libvirt_domain_vf_transmit_limit_bytes_per_second{GUEST}",
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
            "Packets for many that guests send. Bad: thousands per second are a storm, or an attack.",
            Query(
                "topk(20, rate(libvirt_domain_vf_transmit_broadcast_packets_total{GUEST}[$__rate_interval]))",
                f"{_VF} broadcast",
            ),
            Query(
                "topk(20, rate(libvirt_domain_vf_transmit_multicast_packets_total{GUEST}[$__rate_interval]))",
                f"{_VF} multicast",
            ),
            unit="pps",
            warn=1000,
            empty="no card counts them",
            leads_to=Target.GUEST,
        ),
    ),
)
_TAPS = Row(
    title="Taps",
    panels=(
        graph(
            "Data",
            "What guests receive (up) and send (down) over the host's own interfaces.",
            Query(
                "topk(20, rate(libvirt_domain_interface_stats_receive_bytes_total{GUEST}[$__rate_interval]))",
                "{{domain}} ({{tenant}}) {{target_device}} received",
            ),
            Query(
                "topk(20, rate(libvirt_domain_interface_stats_transmit_bytes_total{GUEST}[$__rate_interval]))",
                "{{domain}} ({{tenant}}) {{target_device}} sent",
                below=True,
            ),
            unit="Bps",
            leads_to=Target.GUEST,
        ),
        graph(
            "Dropped packets",
            "Packets that a guest did not take in time (up) or could not send (down). Bad: any that goes on.",
            Query(
                "topk(20, rate(libvirt_domain_interface_stats_receive_drops_total{GUEST}[$__rate_interval]))",
                "{{domain}} ({{tenant}}) {{target_device}} to the guest",
            ),
            Query(
                "topk(20, rate(libvirt_domain_interface_stats_transmit_drops_total{GUEST}[$__rate_interval]))",
                "{{domain}} ({{tenant}}) {{target_device}} from the guest",
                below=True,
            ),
            unit="pps",
            warn=1,
            bad=10,
            leads_to=Target.GUEST,
        ),
    ),
)
_SWITCH = Row(
    title="Open vSwitch and OVN",
    panels=(
        graph(
            "Data",
            "What the switch sends to guests (up) and takes from them (down), vhost-user ports too.",
            Query(
                "topk(20, rate(libvirt_domain_ovs_receive_bytes_total{GUEST}[$__rate_interval]))",
                "{{domain}} ({{tenant}}) {{target_device}} received",
            ),
            Query(
                "topk(20, rate(libvirt_domain_ovs_transmit_bytes_total{GUEST}[$__rate_interval]))",
                "{{domain}} ({{tenant}}) {{target_device}} sent",
                below=True,
            ),
            unit="Bps",
            empty="no guest is on an Open vSwitch",
            leads_to=Target.GUEST,
        ),
        graph(
            "Dropped packets",
            "Packets to (up) and from (down) guests that the switch dropped. Bad: any that goes on.",
            Query(
                "topk(20, rate(libvirt_domain_ovs_receive_drops_total{GUEST}[$__rate_interval]))",
                "{{domain}} ({{tenant}}) {{target_device}} to the guest",
            ),
            Query(
                "topk(20, rate(libvirt_domain_ovs_transmit_drops_total{GUEST}[$__rate_interval]))",
                "{{domain}} ({{tenant}}) {{target_device}} from the guest",
                below=True,
            ),
            unit="pps",
            warn=1,
            bad=10,
            empty="no guest is on an Open vSwitch",
            leads_to=Target.GUEST,
        ),
        graph(
            "Ports that are not up",
            "Links that are down and logical ports that OVN has not set up. Bad: any of a running guest.",
            Query(
                "libvirt_domain_ovs_link_up{GUEST} == 0",
                "{{domain}} ({{tenant}}) {{target_device}} link down",
            ),
            Query(
                "libvirt_domain_ovn_port_up{GUEST} == 0",
                "{{domain}} ({{tenant}}) {{logical_port}} not set up",
            ),
            bad=1,
            empty="none",
            leads_to=Target.GUEST,
        ),
        graph(
            "Age of the switch's statistics",
            "How long ago any port's statistics last changed. Bad: growing while guests talk; the switch stands still.",
            Query("hostcollector_ovs_statistics_age_seconds{HOST}", "{{instance}}"),
            unit="s",
            warn=60,
            empty="no switch, or no statistics yet",
        ),
    ),
)
_INFINIBAND = Row(
    title="InfiniBand and RoCE (ports of the host, all tenants together)",
    panels=(
        Table(
            title="Partitions of guests",
            description="InfiniBand partitions that guests' VFs are in. Bad: a partition of another tenant.",
            columns=(
                Column("Guest", "domain", leads_to=Target.GUEST),
                Column("Tenant", "tenant", leads_to=Target.TENANT),
                Column("Card", "pf"),
                Column("VF", "vf"),
                Column("P_Key", "pkey"),
                Column("Partition", "partition"),
                Column("Membership", "membership"),
                Column("Told by", "origin"),
                Column("UUID", "uuid", hidden=True),
                Column("Is", expr="libvirt_domain_vf_pkey_info{GUEST}", hidden=True),
            ),
            empty="no guest owns an InfiniBand VF",
        ),
        graph(
            "Data",
            "What each port receives (up) and sends (down).",
            Query(
                "rate(hostcollector_host_infiniband_port_data_received_bytes_total{HOST}[$__rate_interval])",
                "{{instance}} {{device}}/{{port}} received",
            ),
            Query(
                "rate(hostcollector_host_infiniband_port_data_transmitted_bytes_total{HOST}[$__rate_interval])",
                "{{instance}} {{device}}/{{port}} sent",
                below=True,
            ),
            unit="Bps",
            empty="no RDMA device",
        ),
        graph(
            "Errors and congestion",
            "Bad: a link that goes down or recovers, packets without a buffer, requests out of sequence.",
            Query(
                "increase(hostcollector_host_infiniband_link_downed_total{HOST}[$__rate_interval])",
                "{{instance}} {{device}}/{{port}} link downed",
            ),
            Query(
                "increase(hostcollector_host_infiniband_symbol_error_total{HOST}[$__rate_interval])",
                "{{instance}} {{device}}/{{port}} symbol errors",
            ),
            Query(
                "increase(hostcollector_host_infiniband_out_of_buffer_drops_total{HOST}[$__rate_interval])",
                "{{instance}} {{device}}/{{port}} out of buffer",
            ),
            Query(
                "increase(hostcollector_host_infiniband_out_of_sequence_packets_received_total{HOST}[$__rate_interval])",
                "{{instance}} {{device}}/{{port}} out of sequence",
            ),
            bad=1,
            empty="no RDMA device",
        ),
    ),
)

BOARD = Board(
    name="network",
    title="Network and VFs",
    description="Traffic, drops and isolation of guests' interfaces: VFs, taps, switch ports, RDMA ports.",
    depth=Depth.GUESTS,
    rows=(_POLICY, _VFS, _TAPS, _SWITCH, _INFINIBAND),
)
