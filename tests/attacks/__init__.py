"""Attacks on the page of a daemon that has the packaged unit's limits, with a good scraper beside them.

`kinds` lists them; ``python -m tests.attacks`` runs one against a daemon, ``make attacks`` all of them at
full length. They only ever connect to 127.0.0.1.
"""
