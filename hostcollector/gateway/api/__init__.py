"""HTTP for tenants: routes, parameters, replies.

Each request ends in one `Reply` or one `RequestRefusedError`.
"""
