"""What notices a missing step of the isolation: one check for everything that a step is there for."""

from collections.abc import Iterator

from hostcollector.gateway.errors import RequestRefusedError
from hostcollector.gateway.isolation import Isolation
from hostcollector.gateway.store.sending import Endpoint, Outgoing, prepared
from tests.gateway.answers import Question, gateway, outcome
from tests.gateway.conftest import Pair
from tests.gateway.world import World
from tests.unit.gateway import suite

FAILED_JOIN = "vm_state * on() vm_state"
"""The store's error for it prints labels of series."""


async def noticed(pair: Pair, world: World, isolation: Isolation) -> list[str]:
    """Return what is wrong with an isolation."""
    found = [*suite.problems(isolation.rewriting), *_sent(isolation)]
    async with gateway(pair.everything, isolation) as queries:
        answer = await outcome(queries, Question("count(vm_state)", world.end))
        if answer.refusal:
            found.append(f"a plain query: {answer.refusal}")
        elif {name for name, _ in answer.headers} > {"Content-Type"}:
            found.append(f"headers of the store: {answer.headers}")
        failed = await outcome(queries, Question(FAILED_JOIN, world.end))
        if not failed.refusal.startswith("422 series do not match"):
            found.append(f"an error of the store: {failed}")
    return found


def _sent(isolation: Isolation) -> Iterator[str]:
    """Yield what the store would get beside a query and its time."""
    form = (("query", "vm_state"), ("extra_filters[]", '{tenant="b"}'), ("stats", "all"))
    outgoing = Outgoing(tenant="a", endpoint=Endpoint.QUERY, form=form)
    try:
        sent = prepared(outgoing, isolation.sending)
    except RequestRefusedError as error:
        yield f"a query is not sent: {error}"
        return
    if {name for name, _ in sent.form} != {"query"}:
        yield f"parameters: {sent.form}"
    if sent.address != (("extra_label", "tenant=a"),):
        yield f"the store's lock: {sent.address}"
    if sent.path != "/api/v1/query":
        yield f"path: {sent.path}"
