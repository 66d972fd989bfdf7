"""QEMUs that hang unseen: the main thread sleeps as one that waits for work, and never wakes.

A stopped process, or one in uninterruptible sleep, shows in /proc; a deadlock or a wait for a lost answer
does not. Here the main thread is made to call pause(2), by ptrace(2), in place of the poll(2) that it is in;
when it is let go on, that poll was interrupted, for which every program is prepared. x86-64 only.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.process import Process

_GET_REGISTERS, _SET_REGISTERS, _ATTACH, _DETACH = 12, 13, 16, 17
_PAUSE, _INTERRUPTED = 34, -4
_SYSCALL_BYTES = 2
_WALL = 0x40000000
# Where the registers lie in struct user_regs_struct, as 64-bit words: rax, orig_rax, rip.
_RAX, _ORIGINAL_RAX, _RIP = 10, 15, 16
_Registers = ctypes.c_longlong * 27

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long


def mute(process: Process) -> None:
    """Let the process' main thread sleep for ever. OSError where it cannot be traced."""
    with _registers(process.pid) as registers:
        registers[_RIP] -= _SYSCALL_BYTES
        registers[_RAX], registers[_ORIGINAL_RAX] = _PAUSE, -1


def wake(process: Process) -> None:
    """Let it go on where it was."""
    with _registers(process.pid) as registers:
        registers[_RAX], registers[_ORIGINAL_RAX] = _INTERRUPTED, -1


@contextmanager
def _registers(thread: int) -> Iterator[ctypes.Array[ctypes.c_longlong]]:
    """Give the registers of a thread that is in a system call, to change them while it is held."""
    _trace(_ATTACH, thread)
    try:
        os.waitpid(thread, _WALL)
        registers = _Registers()
        _trace(_GET_REGISTERS, thread, registers)
        if registers[_ORIGINAL_RAX] < 0:
            raise OSError(f"thread {thread} is in no system call")
        yield registers
        _trace(_SET_REGISTERS, thread, registers)
    finally:
        _trace(_DETACH, thread)


def _trace(request: int, thread: int, data: object = None) -> None:
    place = ctypes.addressof(data) if isinstance(data, ctypes.Array) else None
    if _libc.ptrace(request, thread, None, place) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace({request}) of {thread}: {os.strerror(number)}")
