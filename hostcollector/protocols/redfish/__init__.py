"""A reader of BMCs over Redfish: what the baseboard's controller reports of its GPUs.

Only reads, few requests at a time, in the background. An account that may log in and read is enough.
"""
