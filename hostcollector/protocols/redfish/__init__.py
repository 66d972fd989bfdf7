"""A reader of BMCs over Redfish: what the baseboard's controller knows of the GPUs on it.

Only reads, few requests at a time, in the background; an account that may log in and read is enough.
"""
