"""The live table for the engineer on the hypervisor: guests, what they use, who is in trouble.

It reads pages, from a running collector's address or from collections made in the same process, and knows
nothing of where their numbers come from. Rates are differences between two pages.
"""
