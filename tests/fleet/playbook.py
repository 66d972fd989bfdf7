"""Runs of ansible-playbook over SSH, and what they say that they did."""

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fleet.wheelhouse import REPOSITORY

RECAP = re.compile(r"^(\S+) +: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run of one playbook."""

    status: int
    output: str
    seconds: float
    changed: Mapping[str, int]
    """How many tasks changed something, for each host that was touched."""
    failed: frozenset[str]
    """The hosts on which a task failed or that could not be reached."""

    @property
    def succeeded(self) -> bool:
        """Whether it got through on all hosts."""
        return self.status == 0 and not self.failed


@dataclass(frozen=True, slots=True)
class Playbooks:
    """The project's playbooks, run on one inventory."""

    directory: Path
    """For Ansible's own files."""
    inventory: Path
    root: Path = REPOSITORY / "ansible"
    """The directory of `playbooks` and `roles`."""

    def run(self, name: str, *flags: str, **variables: Any) -> Outcome:
        """Run a playbook by its name; variables are passed as -e does."""
        program = Path(sys.executable).with_name("ansible-playbook")
        given = ("-e", json.dumps(variables))
        command = (str(program), "-i", str(self.inventory), *flags, *given, f"playbooks/{name}.yml")
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible/ansible.cfg"),
            "ANSIBLE_HOME": str(self.directory / "ansible"),
            # Not below the home directory: hosts of another fleet have the same addresses.
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.directory / "ssh-control"),
            "ANSIBLE_LOCAL_TEMP": str(self.directory / "ansible/tmp"),
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        }
        started, busy = time.monotonic(), _processor_seconds()
        done = subprocess.run(
            command,
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - started
        hosts = RECAP.findall(done.stdout)
        outcome = Outcome(
            done.returncode,
            done.stdout,
            seconds,
            {host: int(changed) for host, changed, _, _ in hosts},
            frozenset(host for host, _, unreachable, failed in hosts if int(unreachable) or int(failed)),
        )
        print(
            f"ansible-playbook {' '.join((name, *flags))}: {seconds:.0f} s,"
            f" {_processor_seconds() - busy:.1f} s of the processor here, changed {dict(outcome.changed)}"
        )
        return outcome


def _processor_seconds() -> float:
    """Return what the programs that ended took on this side, which no load makes larger."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime
