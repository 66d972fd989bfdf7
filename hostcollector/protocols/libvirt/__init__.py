"""Calls to libvirt about many guests, around those that hold a call up.

Every call may meet a guest that does not answer, because its monitor is stuck or libvirt holds the guest's
lock, and then returns late or never. Workers make the calls, and a pool sets aside those that are stuck. A
bulk read asks for many at a time, a sweep finds the guests to blame when that takes long, and a visit goes
from guest to guest.
"""
