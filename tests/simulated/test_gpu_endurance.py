"""A short part of what ``python -m tests.bench.gpu_day`` does for a whole day."""

from tests.bench.gpu_day import BETWEEN_PORTS, measure
from tests.simulated.gpu_host import GpuHost


def test_nothing_grows(host: GpuHost) -> None:
    """Reading and polling again and again leaves no thread, no session and no file behind, and no memory."""
    host.client.settle(20)
    host.stop()
    host.start(BETWEEN_PORTS)
    growth = measure(host, reads=450, session=100)
    assert growth.rounds == 30
    assert growth.logins == 1 + 1 + 4  # of both collectors, and the BMC ended the session four times
    assert (growth.threads, growth.most_sessions) == (0, 1)
    assert growth.files <= 2  # one or two may just be read; a leak would be one for each of the rounds
    assert growth.blocks < 10_000
    host.stop()
    assert not host.bmc.sessions
