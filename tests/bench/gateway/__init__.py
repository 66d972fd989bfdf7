"""What the gateway costs, beside the store alone and vmauth, and what one tenant's load does to another.

``python -m tests.bench.gateway`` prints all tables; ``... ways memory`` prints two of them.
"""
