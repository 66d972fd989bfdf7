"""The requests to the store and the answers from it, without one."""

import ast
import inspect
from pathlib import Path
from types import ModuleType

import pytest

from hostcollector.gateway.errors import RequestRefusedError, StoreRefusedError, StoreUnavailableError
from hostcollector.gateway.isolation import Isolation
from hostcollector.gateway.store import receiving, sending
from hostcollector.gateway.store.receiving import Incoming, received
from hostcollector.gateway.store.sending import Endpoint, Outgoing, prepared


@pytest.mark.parametrize(
    ("module", "stage"), [(sending, "Outgoing"), (receiving, "Incoming")], ids=["sending", "receiving"]
)
def test_every_step_is_in_the_list(module: ModuleType, stage: str) -> None:
    """A function that takes a stage and returns the next one is a step, or the function that runs them."""
    tree = ast.parse(Path(inspect.getfile(module)).read_text())
    written = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and ast.unparse(node.returns or ast.Constant(None)) == stage
    }
    assert written - {"prepared", "received"} == {step.__name__ for step in module.STEPS}
    assert set(module.STEPS) <= set(Isolation().steps)


@pytest.mark.parametrize("tenant", ["", "a b", 'a",x="y', "*", "a" * 65, "a&extra_label=tenant=b"])
def test_the_lock_is_never_set_for_what_is_no_tenant(tenant: str) -> None:
    """An empty one would return every series without a tenant."""
    outgoing = Outgoing(tenant=tenant, endpoint=Endpoint.QUERY, form=(("query", "x"),))
    with pytest.raises(RequestRefusedError):
        prepared(outgoing)


@pytest.mark.parametrize("label", ["", "a/b", "..", "a%2fb", "a b", "1", "ä", "a" * 200])
def test_a_label_cannot_change_the_path(label: str) -> None:
    """Only a name of a label is put into the path."""
    with pytest.raises(RequestRefusedError):
        prepared(Outgoing(tenant="a", endpoint=Endpoint.VALUES, form=(), label=label))


SECRET = 'found duplicate series for the match group {} on the right side: {vm="b-secret"}'


@pytest.mark.parametrize(
    ("status", "complaint", "kind", "words"),
    [
        (422, SECRET, StoreRefusedError, "do not match one to one"),
        (422, "timeout exceeded during query: secret", StoreRefusedError, "too long"),
        (503, "query timed out in expression evaluation secret", StoreRefusedError, "too long"),
        (422, "cannot select more than -search.maxSamplesPerQuery secret", StoreRefusedError, "too many"),
        (400, "something secret", StoreRefusedError, "cannot answer"),
        (500, "secret", StoreUnavailableError, "as it should"),
        (401, "secret", StoreUnavailableError, "as it should"),
        (404, "secret", StoreUnavailableError, "as it should"),
    ],
)
def test_errors_of_the_store_become_own_words(
    status: int, complaint: str, kind: type[RequestRefusedError], words: str
) -> None:
    """Nothing of what the store has said is in the refusal."""
    with pytest.raises(kind, match=words) as refusal:
        received(Incoming(status=status, headers={}, complaint=complaint))
    assert "secret" not in str(refusal.value)


def test_headers_of_the_store_are_left_out() -> None:
    """Only those that say how to read the body pass."""
    headers = {
        "Content-Type": "application/json",
        "Server": "x",
        "Set-Cookie": "y",
        "Content-Encoding": "gzip",
    }
    assert set(received(Incoming(status=200, headers=headers)).headers) == {
        "Content-Type",
        "Content-Encoding",
    }
