"""Calls to libvirt about many guests, around those that hold a call up.

Every call may meet a guest that does not answer, because its monitor is stuck or libvirt holds the guest's
lock, and then returns late or never. Workers make the calls, a pool sets aside those that are stuck, a sweep
finds the guests to blame, and a bulk read asks again for all the others.
"""
