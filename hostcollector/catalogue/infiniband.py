"""Rows about the host's InfiniBand and RoCE ports; what they count is all tenants together.

Names are those of node_exporter's infiniband collector with the collector's own prefix. The keys of the
tables are the kernel's file names (Documentation/ABI/stable/sysfs-class-infiniband).
"""

from collections.abc import Mapping
from functools import partial

from hostcollector.base.model import Metric, Possible, Scope
from hostcollector.catalogue.possible import BYTES_PER_SECOND, PACKETS, code, counted
from hostcollector.catalogue.rows import counter, gauge, info

_PORT = ("device", "port")
_PREFIX = "hostcollector_host_infiniband_"
_counter = partial(counter, source="infiniband", scope=Scope.HOST, labels=_PORT)
_gauge = partial(gauge, source="infiniband", scope=Scope.HOST, labels=_PORT)
_info = partial(info, source="infiniband", scope=Scope.HOST)

INFO = _info(
    name=f"{_PREFIX}info",
    labels=("device", "board_id", "firmware_version", "hca_type", "node_guid", "pci_address"),
    help="An RDMA device of the host.",
)
PORT_INFO = _info(
    name=f"{_PREFIX}port_info",
    labels=(*_PORT, "link_layer"),
    help="A port of an RDMA device; the link layer is InfiniBand or Ethernet (RoCE).",
)
STATE = _gauge(
    name=f"{_PREFIX}state_id",
    can_be=code(5),
    help="The port's state: 0 no change, 1 down, 2 initialising, 3 armed, 4 active, 5 active deferred.",
)
PHYSICAL_STATE = _gauge(
    name=f"{_PREFIX}physical_state_id",
    can_be=code(7),
    help="The port's physical state: 1 sleep, 2 polling, 3 disabled, 4 training, 5 up, 6 recovering, 7 test.",
)
RATE = _gauge(
    name=f"{_PREFIX}rate_bytes_per_second",
    can_be=BYTES_PER_SECOND,
    help="The port's signalling rate.",
)


# Widths that InfiniBand gives counters which stay at their last number (PortCounters). All others have 64
# bits in any card that counts on (PortCountersExtended), or 32.
_WIDTHS = {
    "port_rcv_errors": 16,
    "port_rcv_remote_physical_errors": 16,
    "port_rcv_switch_relay_errors": 16,
    "port_xmit_discards": 16,
    "port_rcv_constraint_errors": 8,
    "port_xmit_constraint_errors": 8,
    "symbol_error": 16,
    "link_error_recovery": 8,
    "link_downed": 8,
    "local_link_integrity_errors": 4,
    "excessive_buffer_overrun_errors": 4,
    "VL15_dropped": 16,
}
_FULL = "A full counter stops and is left out; `perfquery -R` resets it."
# Data is counted in words of 4 bytes.
_WORDS = counted(1e12, step=4)


def _possible(file: str, name: str) -> Possible:
    if file in _WIDTHS:
        return counted(1e9, bits=_WIDTHS[file], saturates=True)
    return _WORDS if name.endswith("_bytes") else PACKETS


def _table(rows: Mapping[str, tuple[str, str]]) -> dict[str, Metric]:
    """Return counters by file name, from the name without prefix and `_total`, and the help."""
    return {
        file: _counter(
            name=f"{_PREFIX}{name}_total",
            can_be=_possible(file, name),
            unit="bytes" if name.endswith("_bytes") else "",
            help=text,
            note=_FULL if file in _WIDTHS else "",
        )
        for file, (name, text) in rows.items()
    }


PORT_COUNTERS = _table(
    {
        "port_rcv_data": ("port_data_received_bytes", "Data received on all virtual lanes."),
        "port_xmit_data": ("port_data_transmitted_bytes", "Data sent on all virtual lanes."),
        "port_rcv_packets": ("port_packets_received", "Packets received, those with errors included."),
        "port_xmit_packets": ("port_packets_transmitted", "Packets sent, those with errors included."),
        "unicast_rcv_packets": ("unicast_packets_received", "Unicast packets received."),
        "unicast_xmit_packets": ("unicast_packets_transmitted", "Unicast packets sent."),
        "multicast_rcv_packets": ("multicast_packets_received", "Multicast packets received."),
        "multicast_xmit_packets": ("multicast_packets_transmitted", "Multicast packets sent."),
        "port_xmit_wait": ("port_transmit_wait", "Ticks in which data waited and nothing could be sent."),
        "port_xmit_discards": ("port_discards_transmitted", "Packets not sent: port down or congested."),
        "port_rcv_errors": ("port_errors_received", "Packets received with an error."),
        "port_rcv_remote_physical_errors": (
            "port_receive_remote_physical_errors",
            "Packets received that were marked bad on the way (EBP).",
        ),
        "port_rcv_switch_relay_errors": (
            "port_receive_switch_relay_errors",
            "Packets received that could not be forwarded.",
        ),
        "port_rcv_constraint_errors": (
            "port_constraint_errors_received",
            "Packets received and discarded for a violated constraint, such as a wrong partition.",
        ),
        "port_xmit_constraint_errors": (
            "port_constraint_errors_transmitted",
            "Packets not sent for a violated constraint, such as a wrong partition.",
        ),
        "symbol_error": ("symbol_error", "Minor errors on the lanes."),
        "link_error_recovery": ("link_error_recovery", "Times that the link recovered from an error."),
        "link_downed": ("link_downed", "Times that the link could not recover and went down."),
        "local_link_integrity_errors": (
            "local_link_integrity_errors",
            "Times that local physical errors exceeded their threshold.",
        ),
        "excessive_buffer_overrun_errors": (
            "excessive_buffer_overrun_errors",
            "Times that buffers overran in several flow control periods on end.",
        ),
        "VL15_dropped": ("vl15_dropped", "Management packets (lane 15) dropped for lack of resources."),
    }
)
"""Counters of the files in ``counters``, as InfiniBand defines them for every port."""

HARDWARE_COUNTERS = _table(
    {
        "duplicate_request": ("duplicate_requests_packets", "Requests received a second time."),
        "implied_nak_seq_err": ("implied_nak_seq_errors", "Acknowledgements beyond the expected packet."),
        "local_ack_timeout_err": ("local_ack_timeout_errors", "Acknowledgements that did not come in time."),
        "np_cnp_sent": ("np_cnp_packets_sent", "Congestion notifications sent."),
        "np_ecn_marked_roce_packets": (
            "np_ecn_marked_roce_packets_received",
            "RoCE packets received that were marked for congestion on the way.",
        ),
        "out_of_buffer": ("out_of_buffer_drops", "Packets dropped because no receive buffer was posted."),
        "out_of_sequence": ("out_of_sequence_packets_received", "Packets received out of sequence."),
        "packet_seq_err": ("packet_sequence_errors", "Sequence errors that the other side reported."),
        "req_cqe_error": ("req_cqes_errors", "Own requests that completed with an error."),
        "req_cqe_flush_error": ("req_cqes_flush_errors", "Own requests that were flushed."),
        "req_remote_access_errors": ("req_remote_access_errors", "Own requests that were denied access."),
        "req_remote_invalid_request": (
            "req_remote_invalid_request_errors",
            "Own requests that were refused as invalid.",
        ),
        "resp_cqe_error": ("resp_cqes_errors", "Responses that completed with an error."),
        "resp_cqe_flush_error": ("resp_cqes_flush_errors", "Responses that were flushed."),
        "resp_local_length_error": ("resp_local_length_errors", "Messages longer than the posted buffer."),
        "resp_remote_access_errors": ("resp_remote_access_errors", "Requests received and denied access."),
        "rnr_nak_retry_err": ("rnr_nak_retry_packets_received", "Answers that the receiver was not ready."),
        "roce_adp_retrans": ("roce_adp_retransmits", "Adaptive retransmissions of RoCE traffic."),
        "roce_adp_retrans_to": (
            "roce_adp_retransmits_timeout",
            "Timeouts due to adaptive retransmission of RoCE traffic.",
        ),
        "roce_slow_restart": ("roce_slow_restart_used", "Times that RoCE slow restart was used."),
        "roce_slow_restart_cnps": (
            "roce_slow_restart_cnps",
            "Congestion notifications caused by RoCE slow restart.",
        ),
        "roce_slow_restart_trans": ("roce_slow_restart", "Changes of state to RoCE slow restart."),
        "rp_cnp_handled": ("rp_cnp_packets_handled", "Congestion notifications received and obeyed."),
        "rp_cnp_ignored": (
            "rp_cnp_ignored_packets_received",
            "Congestion notifications received and ignored.",
        ),
        "rx_atomic_requests": ("rx_atomic_requests", "Atomic requests received."),
        "rx_dct_connect": ("rx_dct_connect_requests", "Connection requests received (DC transport)."),
        "rx_read_requests": ("rx_read_requests", "Read requests received."),
        "rx_write_requests": ("rx_write_requests", "Write requests received."),
        "rx_icrc_encapsulated": (
            "rx_icrc_encapsulated_errors",
            "RoCE packets received with a wrong checksum.",
        ),
    }
)
"""Counters of the files in ``hw_counters`` that node_exporter names, of NVIDIA's cards."""

OTHER_HARDWARE_EVENTS = counter(
    name=f"{_PREFIX}hardware_events_total",
    can_be=PACKETS,
    source="infiniband",
    scope=Scope.HOST,
    labels=(*_PORT, "counter"),
    help="Any other counter of the port's driver, by the name of its file.",
)
