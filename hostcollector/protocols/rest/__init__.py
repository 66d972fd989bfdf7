"""A background reader of JSON over HTTPS, for services beside the host: SDN controller, subnet manager, BMC.

A client brings its settings (`ServiceSettings`) and its `Questions`; `Poller` asks them in a daemon thread
with an event loop of its own and keeps the last good answer. The scrape path never waits.
"""
