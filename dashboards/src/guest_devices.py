"""The rows of the guest's board about its devices: disks, interfaces, GPUs and other PCI devices."""

from dashboards.src.panels import FAULT, Query, Row, graph, states

_DISK = "{{target_device}}"
_READ_TIME = "rate(libvirt_domain_block_stats_read_time_seconds_total{GUEST}[$__rate_interval])"
_WRITE_TIME = "rate(libvirt_domain_block_stats_write_time_seconds_total{GUEST}[$__rate_interval])"
_FLUSH_TIME = "rate(libvirt_domain_block_stats_flush_time_seconds_total{GUEST}[$__rate_interval])"
_READS = "rate(libvirt_domain_block_stats_read_requests_total{GUEST}[$__rate_interval])"
_WRITES = "rate(libvirt_domain_block_stats_write_requests_total{GUEST}[$__rate_interval])"
_FLUSHES = "rate(libvirt_domain_block_stats_flush_requests_total{GUEST}[$__rate_interval])"
_READ_BYTES = "rate(libvirt_domain_block_stats_read_bytes_total{GUEST}[$__rate_interval])"
_WRITE_BYTES = "rate(libvirt_domain_block_stats_write_bytes_total{GUEST}[$__rate_interval])"

DISKS = Row(
    title="Disks",
    panels=(
        graph(
            "Latency",
            "Mean time of a request. Bad: above 100 ms, or flushes that take seconds.",
            Query(f"{_READ_TIME} / ({_READS} > 0)", f"{_DISK} read"),
            Query(f"{_WRITE_TIME} / ({_WRITES} > 0)", f"{_DISK} write"),
            Query(f"{_FLUSH_TIME} / ({_FLUSHES} > 0)", f"{_DISK} flush"),
            unit="s",
            warn=0.02,
            bad=0.1,
            empty="no requests",
        ),
        graph(
            "Requests in flight",
            "Requests in flight on average. Bad: above 32 with growing latency; the storage does not keep up.",
            Query(f"{_READ_TIME} + {_WRITE_TIME}", _DISK),
            warn=16,
            bad=32,
        ),
        graph(
            "Data",
            "What the guest reads (up) and writes (down).",
            Query(_READ_BYTES, f"{_DISK} read"),
            Query(_WRITE_BYTES, f"{_DISK} written", below=True),
            unit="Bps",
        ),
        graph(
            "Requests",
            "Reads (up) and writes (down) of the guest.",
            Query(_READS, f"{_DISK} reads"),
            Query(_WRITES, f"{_DISK} writes", below=True),
            unit="iops",
        ),
        graph(
            "Data by the host's device",
            "What QEMU reads (up) and writes (down) by the kernel's count. It goes on while the guest's monitor hangs.",
            Query(
                "rate(libvirt_domain_cgroup_io_read_bytes_total{GUEST}[$__rate_interval])", "{{device}} read"
            ),
            Query(
                "rate(libvirt_domain_cgroup_io_write_bytes_total{GUEST}[$__rate_interval])",
                "{{device}} written",
                below=True,
            ),
            unit="Bps",
            empty="the control groups have no I/O controller, or the storage is no block device",
        ),
        graph(
            "Requests by the host's device",
            "Reads (up) and writes (down) that QEMU sends. Bad: far more than the guest's own requests.",
            Query(
                "rate(libvirt_domain_cgroup_io_read_requests_total{GUEST}[$__rate_interval])",
                "{{device}} reads",
            ),
            Query(
                "rate(libvirt_domain_cgroup_io_write_requests_total{GUEST}[$__rate_interval])",
                "{{device}} writes",
                below=True,
            ),
            unit="iops",
            empty="the control groups have no I/O controller, or the storage is no block device",
        ),
        graph(
            "Block jobs",
            "Progress of copies and commits. At 100 % a job waits for its end. Bad: one without progress, or that waits for days.",
            Query("libvirt_domain_block_job_progress_ratio{GUEST}", f"{_DISK} {{{{operation}}}}"),
            unit="percentunit",
            maximum=1,
            empty="no block job",
        ),
        graph(
            "Backing images",
            "Images under each disk's own: snapshots that were not merged, and the base. Bad: above 8; reads are slow.",
            Query("libvirt_domain_block_backing_images{GUEST}", _DISK),
            warn=4,
            bad=8,
            empty="libvirt does not know the chains",
        ),
        graph(
            "Share of the disk's limits",
            "How much of each limit the disk uses. Bad: at 100 % the limit slows the guest down.",
            Query(
                f"({_READ_BYTES} + {_WRITE_BYTES}) / libvirt_domain_block_stats_limit_total_bytes{{GUEST}}",
                f"{_DISK} bytes",
            ),
            Query(
                f"({_READS} + {_WRITES}) / libvirt_domain_block_stats_limit_total_requests{{GUEST}}",
                f"{_DISK} requests",
            ),
            Query(
                f"{_READ_BYTES} / libvirt_domain_block_stats_limit_read_bytes{{GUEST}}", f"{_DISK} bytes read"
            ),
            Query(
                f"{_WRITE_BYTES} / libvirt_domain_block_stats_limit_write_bytes{{GUEST}}",
                f"{_DISK} bytes written",
            ),
            Query(f"{_READS} / libvirt_domain_block_stats_limit_read_requests{{GUEST}}", f"{_DISK} reads"),
            Query(f"{_WRITES} / libvirt_domain_block_stats_limit_write_requests{{GUEST}}", f"{_DISK} writes"),
            unit="percentunit",
            warn=0.9,
            bad=1,
            empty="the disks have no limits",
        ),
        graph(
            "Latency, 99th percentile",
            "99 of 100 requests are faster. Bad: seconds, even if the mean is low.",
            Query(
                "histogram_quantile(0.99, sum by (le, target_device, operation)"
                " (rate(libvirt_domain_block_latency_seconds_bucket{GUEST}[$__rate_interval])))",
                f"{_DISK} {{{{operation}}}}",
            ),
            unit="s",
            warn=0.1,
            bad=1,
            empty="no latency histograms (they need libvirt 12)",
        ),
    ),
)
NETWORK = Row(
    title="Network",
    panels=(
        graph(
            "Data",
            "What the guest receives (up) and sends (down), over taps and VFs.",
            Query(
                "8 * rate(libvirt_domain_interface_stats_receive_bytes_total{GUEST}[$__rate_interval])",
                "{{target_device}} received",
            ),
            Query(
                "8 * rate(libvirt_domain_interface_stats_transmit_bytes_total{GUEST}[$__rate_interval])",
                "{{target_device}} sent",
                below=True,
            ),
            Query(
                "8 * rate(libvirt_domain_vf_receive_bytes_total{GUEST}[$__rate_interval])",
                "{{pf}} VF {{vf}} received",
            ),
            Query(
                "8 * rate(libvirt_domain_vf_transmit_bytes_total{GUEST}[$__rate_interval])",
                "{{pf}} VF {{vf}} sent",
                below=True,
            ),
            unit="bps",
        ),
        graph(
            "Packets",
            "What the guest receives (up) and sends (down), over taps and VFs.",
            Query(
                "rate(libvirt_domain_interface_stats_receive_packets_total{GUEST}[$__rate_interval])",
                "{{target_device}} received",
            ),
            Query(
                "rate(libvirt_domain_interface_stats_transmit_packets_total{GUEST}[$__rate_interval])",
                "{{target_device}} sent",
                below=True,
            ),
            Query(
                "rate(libvirt_domain_vf_receive_packets_total{GUEST}[$__rate_interval])",
                "{{pf}} VF {{vf}} received",
            ),
            Query(
                "rate(libvirt_domain_vf_transmit_packets_total{GUEST}[$__rate_interval])",
                "{{pf}} VF {{vf}} sent",
                below=True,
            ),
            unit="pps",
        ),
        graph(
            "Dropped packets",
            "Packets that the guest did not read in time (up) or could not send (down). Bad: a rate that stays.",
            Query(
                "rate(libvirt_domain_interface_stats_receive_drops_total{GUEST}[$__rate_interval])",
                "{{target_device}} to the guest",
            ),
            Query(
                "rate(libvirt_domain_interface_stats_transmit_drops_total{GUEST}[$__rate_interval])",
                "{{target_device}} from the guest",
                below=True,
            ),
            Query(
                "rate(libvirt_domain_vf_receive_dropped_total{GUEST}[$__rate_interval])",
                "{{pf}} VF {{vf}} to the guest",
            ),
            Query(
                "rate(libvirt_domain_ovs_receive_drops_total{GUEST}[$__rate_interval])",
                "{{target_device}} on the switch, to the guest",
            ),
            unit="pps",
            warn=1,
            bad=10,
        ),
    ),
)
_GPUS = Row(
    title="GPUs",
    folded=True,
    panels=(
        graph(
            "Use",
            "Utilization of each GPU. Bad: 0 while the tenant runs a job.",
            Query('libvirt_domain_gpu_utilization_ratio{GUEST, engine="gpu"}', "{{gpu}}"),
            unit="percentunit",
            maximum=1,
            empty="no source reports the GPU's utilization",
        ),
        graph(
            "Device memory",
            "Share of the device memory in use. Bad: all of it; programs fail.",
            Query(
                "libvirt_domain_gpu_memory_used_bytes{GUEST} / (libvirt_domain_gpu_memory_bytes{GUEST} > 0)"
                " or libvirt_domain_gpu_memory_used_ratio{GUEST}",
                "{{gpu}}",
            ),
            unit="percentunit",
            maximum=1,
            warn=0.9,
            bad=0.98,
            empty="no source reports the GPU's memory",
        ),
        graph(
            "What its units do",
            "Share of time in which each unit of the GPU was active. Bad: tensor near 0 in a training job.",
            Query("libvirt_domain_gpu_activity_ratio{GUEST}", "{{gpu}} {{unit}}"),
            unit="percentunit",
            maximum=1,
            empty="no GPU with data from a BMC",
        ),
        graph(
            "Power",
            "Power that each GPU draws. Bad: at its limit for long with low clocks.",
            Query("libvirt_domain_gpu_power_watts{GUEST}", "{{gpu}}"),
            unit="watt",
            empty="no source reports the GPU's power",
        ),
        graph(
            "Temperature",
            "Temperature of each GPU. Bad: above 85 °C it slows down.",
            Query("libvirt_domain_gpu_temperature_celsius{GUEST}", "{{gpu}}"),
            unit="celsius",
            warn=80,
            bad=85,
            empty="no source reports the GPU's temperature",
        ),
    ),
)
_PCI = Row(
    title="PCI devices",
    folded=True,
    panels=(
        graph(
            "PCIe errors",
            "Errors of each device. Bad: any fatal or nonfatal one; corrected ones that repeat.",
            Query(
                "increase(libvirt_domain_pci_aer_errors_total{GUEST}[$__rate_interval])",
                "{{pci_address}} {{severity}}",
            ),
            bad=1,
            empty="no device counts PCIe errors",
        ),
        states(
            "PCIe link degraded",
            "Whether speed or width of a link is below what both ends support. Bad: width; an idle GPU lowers its speed.",
            Query("libvirt_domain_pci_link_degraded{GUEST}", "{{pci_address}} {{aspect}}"),
            states=FAULT,
            unit="none",
            empty="no PCI device",
        ),
    ),
)
DEVICES = (_GPUS, _PCI)
