"""Calls to libvirt about many guests, although some guests do not answer.

A call that meets a hung guest returns late or never: the guest's monitor is stuck, or libvirt holds its lock.

1. `worker`: a thread with a connection of its own makes one call at a time.
2. `budget`: the account of libvirtd's workers that the collector may occupy.
3. `pool`: hands out workers within the budget, and sets those aside whose call is stuck.
4. `bulk`: asks for many guests in one call. If the call takes long, it sweeps the call's guests, sets the
   worker aside, and asks again for the guests that are not to blame.
5. `visit`: asks one guest after the other and steps over one that does not answer. It returns a `Survey`.
   A sweep is the visit that asks for control states, which need no monitor.

`connection` opens connections to the libvirt of `this_host`, and `events` names libvirt's events.
"""
