"""Errors that NVIDIA's driver reports of a GPU (Xid), by what NVIDIA's catalogue says to do first.

https://docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html, column "Immediate Action", for Ampere and later.
"""

from dashboards.alerts.alert import Alert, Audience, Group, Scope, Severity

RESET_GPU = (46, 48, 62, 64, 95, 109, 110, 119, 120, 136, 140, 143, 155, 156, 158)
RESTART_BM = (79,)
NVLINK = (74, *range(144, 151))
RESTART_APP = (
    *(8, 11, 13, 25, 31, 32, 39, 40, 41, 60, *range(68, 73), *range(75, 78), 80, *range(82, 87), 88, 89, 94),
    *(*range(96, 106), *range(126, 136), 139),
)
IGNORE = (37, 38, 43, 44, 45, 63, 66, 67, 92, 93, 106, 107, 108, 121, 137, 141, 152, 153)
"""No alert: the event that they follow has one, or nothing is to be done."""


def _of(codes: tuple[int, ...], matches: str = "=~") -> str:
    """Return the query for new errors of these codes.

    A code that has not occurred has no series, and `increase` does not see a counter that begins at 1: the second part
    does. `up` then shows that Prometheus was there to see that there was none.
    """
    series = f'hostcollector_host_gpu_xid_events_by_code_total{{xid{matches}"{"|".join(map(str, codes))}"}}'
    return f"""\
increase({series}[15m]) > 0
or (({series} > 0
  unless {series} offset 15m)
  and on (job, instance) up offset 15m)"""


_SUMMARY = "GPU {{ $labels.gpu }} on {{ $labels.instance }} reported Xid {{ $labels.xid }}"

GROUP = Group(
    name="xids",
    component="gpu",
    scope=Scope.DEVICE,
    alerts=(
        Alert(
            name="GPUXidRestartHost",
            expr=_of(RESTART_BM),
            keeps="30m",
            severity=Severity.CRITICAL,
            action="RESTART_BM",
            summary=f"{_SUMMARY}: it has fallen off the bus",
            description="Everything that ran on it is dead. Take the host out of scheduling, empty it, and power it off and on.",
        ),
        Alert(
            name="GPUXidReset",
            expr=_of(RESET_GPU),
            keeps="30m",
            severity=Severity.CRITICAL,
            action="RESET_GPU",
            summary=f"{_SUMMARY}: it needs a reset",
            description="Its work has failed or is wrong. Stop what runs on the GPU and reset it. The runbook has the meaning of each code.",
        ),
        Alert(
            name="GPUXidNVLink",
            expr=_of(NVLINK),
            keeps="30m",
            severity=Severity.CRITICAL,
            action="WORKFLOW_NVLINK_ERR",
            summary=f"{_SUMMARY}: an NVLink has failed",
            description="Jobs over several GPUs fail. Compare with the GPU at the other end and with the log of the fabric manager, then reset the GPUs of the partition together.",
        ),
        Alert(
            name="GPUXidProgram",
            expr=_of(RESTART_APP),
            keeps="30m",
            severity=Severity.INFO,
            audience=Audience.TENANT,
            action="RESTART_APP",
            summary=f"{_SUMMARY}: a program on it has failed",
            description="Most often the program is the cause, and its owner starts it again. On one GPU again and again, with several programs, it is hardware.",
        ),
        Alert(
            name="GPUXidOther",
            expr=_of((*RESTART_BM, *RESET_GPU, *NVLINK, *RESTART_APP, *IGNORE), "!~"),
            keeps="30m",
            severity=Severity.WARNING,
            action="CONTACT_SUPPORT",
            summary=f"{_SUMMARY}, which needs a look into NVIDIA's catalogue",
            description="54: power cable. 78: versions of the vGPU host driver and manager. 142, 157: the vendor's support. 151: restart of the guest. 154: the driver's line in the kernel log says what to do.",
        ),
    ),
)
