"""The kernel's routing netlink: questions about links, and the raw bytes of the answers.

A library is not worth its price on the way to the page: pyroute2 takes 9 MiB to load and ten times as long to
decode, and loses long lists of VFs, whose 16-bit length wraps. `diagnose` asks it for a second opinion.
"""
