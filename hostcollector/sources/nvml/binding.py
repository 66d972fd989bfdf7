"""Calls of NVML by name, with pynvml's errors sorted by what they cost. Only this module uses pynvml.

Three wrappers of pynvml are replaced:

- nvmlVgpuInstanceGetFbUsage reads a 64-bit number as 32 bits.
- nvmlVgpuInstanceGetVmID passes a buffer length that is too long.
- nvmlDeviceGetSramEccErrorStatus takes a pointer where the others return a value.
"""

import ctypes
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

import pynvml

from hostcollector.base.errors import HostcollectorError
from hostcollector.base.lanes import Clock

Call = Callable[..., Any]

PROBE_SECONDS = 300.0
"""After this time an unsupported call is tried again: a driver may say so of the moment only."""

INVALID_GPU_INSTANCE = 0xFFFFFFFF
ALL_LINKS = 0xFFFFFFFF
VM_ID_IS_UUID = 1
MEMORY_VERSION_2 = pynvml.nvmlMemory_v2
XID = pynvml.nvmlEventTypeXidCriticalError

_UNSUPPORTED = frozenset(
    {
        pynvml.NVML_ERROR_NOT_SUPPORTED,
        pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
        # Drivers without vGPUs answer calls about vGPUs with this one.
        pynvml.NVML_ERROR_INVALID_ARGUMENT,
        pynvml.NVML_ERROR_NO_PERMISSION,
        pynvml.NVML_ERROR_VGPU_ECC_NOT_SUPPORTED,
        pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
        pynvml.NVML_ERROR_DEPRECATED,
    }
)
_LOST = frozenset(
    {pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED, pynvml.NVML_ERROR_GPU_NOT_FOUND}
)
_CLOSED = frozenset(
    {
        pynvml.NVML_ERROR_UNINITIALIZED,
        pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
        pynvml.NVML_ERROR_LIBRARY_NOT_FOUND,
        pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH,
    }
)


class NvmlCallError(HostcollectorError):
    """A call of NVML gave no answer; the message is the library's."""


class UnsupportedError(NvmlCallError):
    """This driver or this GPU does not have the call: trying it again is of no use for now."""


class NoAnswerError(NvmlCallError):
    """The call failed this time; the next one may succeed."""


class LostError(NvmlCallError):
    """The GPU no longer answers its driver; the other GPUs do."""


class ClosedError(NvmlCallError):
    """The library or the driver is missing or was unloaded: no call succeeds before NVML is opened again."""


def call(function: str, *arguments: Any) -> Any:
    """Call a function of pynvml by its name. Raises a `NvmlCallError` when there is no answer."""
    wrapper = _OWN.get(function) or getattr(pynvml, function, None)
    if wrapper is None:
        raise UnsupportedError(f"pynvml has no {function}")
    try:
        answer = wrapper(*arguments)
    except pynvml.NVMLError as error:
        raise _sorted(error) from error
    except UnicodeDecodeError as error:  # pynvml decodes strings itself, and strictly
        raise NoAnswerError(f"{function} gives a text that is not UTF-8") from error
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer


def handle_key(handle: Any) -> int:
    """Return a number that differs for each device's handle."""
    return ctypes.cast(handle, ctypes.c_void_p).value or 0


def field_numbers(fields: Any) -> dict[tuple[int, int], int]:
    """Return the values of nvmlDeviceGetFieldValues by id and scope; `fields` may be None."""
    found = {}
    for field in fields or ():
        member = _VALUE_MEMBERS.get(field.valueType)
        if field.nvmlReturn == pynvml.NVML_SUCCESS and member:
            with suppress(ValueError, OverflowError):  # a floating-point field that is no number
                found[field.fieldId, field.scopeId] = int(getattr(field.value, member))
    return found


def _sorted(error: Any) -> NvmlCallError:
    """Return an error of pynvml as one of ours."""
    text = str(error)
    if error.value in _UNSUPPORTED:
        return UnsupportedError(text)
    if error.value in _LOST:
        return LostError(text)
    return ClosedError(text) if error.value in _CLOSED else NoAnswerError(text)


def _frame_buffer_used(instance: int) -> int:
    """Return how many bytes of the frame buffer a vGPU uses."""
    used = ctypes.c_ulonglong(0)
    _checked("nvmlVgpuInstanceGetFbUsage", instance, ctypes.byref(used))
    return used.value


def _vm_id(instance: int) -> tuple[str, int]:
    """Return the id of the vGPU's VM, and which kind of id it is."""
    size = pynvml.NVML_DEVICE_UUID_BUFFER_SIZE
    buffer, kind = ctypes.create_string_buffer(size), ctypes.c_uint(0)
    _checked("nvmlVgpuInstanceGetVmID", instance, buffer, ctypes.c_uint(size), ctypes.byref(kind))
    return buffer.value.decode(errors="replace"), kind.value


def _sram_threshold_exceeded(handle: Any) -> int:
    """Return 1 if the SRAM has more ECC errors than allowed (A100 and later, driver 550 and later)."""
    status = pynvml.c_nvmlEccSramErrorStatus_v1_t()
    _checked("nvmlDeviceGetSramEccErrorStatus", handle, ctypes.byref(status))
    return int(status.bThresholdExceeded)


def _checked(function: str, *arguments: Any) -> None:
    pointer = pynvml._nvmlGetFunctionPointer(function)  # noqa: SLF001 - there is no other way to the symbol
    pynvml._nvmlCheckReturn(pointer(*arguments))  # noqa: SLF001


_OWN: Mapping[str, Callable[..., Any]] = {
    "nvmlDeviceGetSramEccErrorStatus": _sram_threshold_exceeded,
    "nvmlVgpuInstanceGetFbUsage": _frame_buffer_used,
    "nvmlVgpuInstanceGetVmID": _vm_id,
}
_VALUE_MEMBERS = {
    pynvml.NVML_VALUE_TYPE_DOUBLE: "dVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_INT: "uiVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG: "ulVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: "ullVal",
    pynvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG: "sllVal",
    pynvml.NVML_VALUE_TYPE_SIGNED_INT: "siVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_SHORT: "usVal",
}


class SupportedCalls:
    """Makes calls, and skips for a while those that a driver or a GPU does not support.

    A subject is what a call is about: a GPU by PCI address, or a MIG or vGPU instance as ``address/...``.
    """

    def __init__(self, call: Call = call, clock: Clock = time.monotonic) -> None:
        self._call = call
        self._clock = clock
        self._unsupported: dict[str, dict[tuple[Any, ...], float]] = {}

    def answer(self, subject: str, function: str, handle: Any, *arguments: Any, varying: Any = None) -> Any:
        """Return the answer; None where the call failed this time or is not supported.

        `varying` is a last argument that differs from call to call. Raises `LostError` for a lost GPU and
        `ClosedError` for an unloaded driver.
        """
        unsupported = self._unsupported.setdefault(subject, {})
        key = (function, *arguments)
        if self._clock() < unsupported.get(key, float("-inf")):
            return None
        last = () if varying is None else (varying,)
        try:
            return self._call(function, handle, *arguments, *last)
        except UnsupportedError:
            unsupported[key] = self._clock() + PROBE_SECONDS
        except NoAnswerError:
            pass
        return None

    def forget(self, subject: str) -> None:
        """Try all calls of a subject and of its instances again."""
        for known in list(self._unsupported):
            if known == subject or known.startswith(f"{subject}/"):
                del self._unsupported[known]

    def retain(self, prefix: str, subjects: Collection[str]) -> None:
        """Forget the subjects that begin with `prefix` and are not among `subjects`."""
        for known in list(self._unsupported):
            if known.startswith(prefix) and known not in subjects:
                del self._unsupported[known]
