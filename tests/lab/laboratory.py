"""Whether this machine can be a laboratory at all."""

import os
import platform
import shutil

PROGRAMS = (
    "libvirtd",
    "virsh",
    "qemu-system-x86_64",
    "prometheus",
    "promtool",
    "victoria-metrics",
    "glewlwyd",
    "pg_ctlcluster",
    "ovsdb-server",
    "ovs-vswitchd",
    "ovn-northd",
    "openssl",
    "unshare",
    "mount",
    "gcc",
    "apt-get",
    "dpkg-deb",
    "depmod",
)


def missing() -> str | None:
    """Return one sentence on what the laboratory lacks, or None when guests can be booted."""
    if platform.machine() != "x86_64":
        return "the laboratory's guests are x86-64 machines, and this one is not"
    if os.geteuid() != 0:
        return "the laboratory runs a libvirtd of its own, which needs root"
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if absent:
        return f"the laboratory needs {', '.join(absent)}: run 'make setup' as root on Debian 12 or 13"
    return None
