"""The one place that touches pynvml: calls by name, with its errors sorted by what they cost.

Three of its wrappers are replaced: that of the frame buffer's usage has 32 bits for a number of 64, that of
the VM's id gives the library a longer buffer than there is, and that of the SRAM's errors wants a pointer.
"""

import ctypes
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pynvml

from hostcollector.sources.nvml.faults import (
    ClosedError,
    LostError,
    NoAnswerError,
    NvmlCallError,
    UnsupportedError,
)

INVALID_GPU_INSTANCE = 0xFFFFFFFF
ALL_LINKS = 0xFFFFFFFF
VM_ID_IS_UUID = 1
MEMORY_VERSION_2 = pynvml.nvmlMemory_v2
XID = pynvml.nvmlEventTypeXidCriticalError

_UNSUPPORTED = frozenset(
    {
        pynvml.NVML_ERROR_NOT_SUPPORTED,
        pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
        # What drivers without vGPUs answer to the calls about vGPUs.
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


def call(function: str, *arguments: Any) -> Any:
    """Call a function of pynvml by its name. Raises a `NvmlCallError` when there is no answer."""
    wrapper = _OWN.get(function) or getattr(pynvml, function, None)
    if wrapper is None:
        raise UnsupportedError(f"pynvml has no {function}")
    try:
        answer = wrapper(*arguments)
    except pynvml.NVMLError as error:
        raise _fault(error) from error
    except UnicodeDecodeError as error:  # pynvml decodes strings itself, and strictly
        raise NoAnswerError(f"{function} gives a text that is not UTF-8") from error
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer


def handle_key(handle: Any) -> int:
    """Return what tells a device's handle from another device's."""
    return ctypes.cast(handle, ctypes.c_void_p).value or 0


def field_numbers(fields: Any) -> dict[tuple[int, int], int]:
    """Return what nvmlDeviceGetFieldValues told of the fields, by id and scope; `fields` may be None."""
    found = {}
    for field in fields or ():
        member = _VALUE_MEMBERS.get(field.valueType)
        if field.nvmlReturn == pynvml.NVML_SUCCESS and member:
            with suppress(ValueError, OverflowError):  # a floating-point field that is no number
                found[field.fieldId, field.scopeId] = int(getattr(field.value, member))
    return found


def _fault(error: Any) -> NvmlCallError:
    text = str(error)
    if error.value in _UNSUPPORTED:
        return UnsupportedError(text)
    if error.value in _LOST:
        return LostError(text)
    return ClosedError(text) if error.value in _CLOSED else NoAnswerError(text)


def _frame_buffer_used(instance: int) -> int:
    """Return the bytes of the frame buffer that a vGPU uses."""
    used = ctypes.c_ulonglong(0)
    _checked("nvmlVgpuInstanceGetFbUsage", instance, ctypes.byref(used))
    return used.value


def _vm_id(instance: int) -> tuple[str, int]:
    """Return the id of the VM that has the vGPU, and the kind of that id."""
    size = pynvml.NVML_DEVICE_UUID_BUFFER_SIZE
    buffer, kind = ctypes.create_string_buffer(size), ctypes.c_uint(0)
    _checked("nvmlVgpuInstanceGetVmID", instance, buffer, ctypes.c_uint(size), ctypes.byref(kind))
    return buffer.value.decode(errors="replace"), kind.value


def _sram_threshold_exceeded(handle: Any) -> int:
    """Return 1 if the SRAM has had more ECC errors than it may (from A100 and driver 550 on)."""
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
