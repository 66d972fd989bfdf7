"""What a request is refused for. Each message names the cause and what to do, and quotes no other tenant."""

from collections.abc import Collection

from hostcollector.base.errors import HostcollectorError


class RequestRefusedError(HostcollectorError):
    """A request is not answered. `status` is that of HTTP, `kind` the word for it in Prometheus' errors."""

    status = 400
    kind = "bad_data"
    subject = ""
    """Whose valid token or login it was, for the audit; empty without one."""

    tenant = ""
    """The tenant that it was for, where that is known."""


class QueryRefusedError(RequestRefusedError):
    """The text of a query, or a parameter beside it, is not taken."""


class StoreRefusedError(RequestRefusedError):
    """The store did not take a query."""

    status = 422
    kind = "execution"


class StoreUnavailableError(RequestRefusedError):
    """The store does not answer, or is not known to keep tenants apart."""

    status = 503
    kind = "unavailable"


class LibraryChangedError(HostcollectorError):
    """The parser behaves otherwise than the rewriting relies on; the gateway does not serve."""


class AccountsError(HostcollectorError):
    """The accounts database cannot be used, or a change of it makes no sense."""


class ErasureError(HostcollectorError):
    """A tenant's data cannot be erased, or the record of it cannot be written."""


class UnauthenticatedError(RequestRefusedError):
    """There is no valid token; why is not said."""

    status = 401
    kind = "unauthorized"


class ForbiddenError(RequestRefusedError):
    """The token is valid, and its scopes or the plan do not include the request."""

    status = 403
    kind = "forbidden"


class NotFoundError(RequestRefusedError):
    """What is asked for does not exist for this tenant, or not at all: both give the same words."""

    status = 404
    kind = "not_found"


class AccountsUnavailableError(RequestRefusedError):
    """The worker has not reached the accounts database for too long to trust its copy."""

    status = 503
    kind = "unavailable"


class TooManyRequestsError(RequestRefusedError):
    """A tenant's limit is reached. `seconds` is when to try again."""

    status = 429
    kind = "too_many_requests"

    def __init__(self, message: str, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(message)


class RequestTimeoutError(RequestRefusedError):
    """A request takes longer than one may."""

    status = 503
    kind = "timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not answered within {seconds:g} s: shorten the range, or use a longer step")


class TooMuchDataError(RequestRefusedError):
    """An answer is longer than one may be."""

    status = 422
    kind = "execution"

    def __init__(self, most: int) -> None:
        super().__init__(f"the answer has more than {most} bytes: narrow the query")


class TooLargeError(RequestRefusedError):
    """The body of a request is longer than any that is needed."""

    status = 413
    kind = "bad_data"


class MethodError(RequestRefusedError):
    """The path exists, but not with this method; `methods` are those that it has."""

    status = 405
    kind = "bad_data"

    def __init__(self, method: str, methods: Collection[str]) -> None:
        self.methods = methods
        super().__init__(f"{method[:20]} is not answered here")


class AuditError(RequestRefusedError):
    """The audit cannot be written: the gateway refuses rather than answer unaudited."""

    status = 503
    kind = "unavailable"


class LedgerError(HostcollectorError):
    """The usage ledger cannot be used, or a host's answer cannot belong to it."""


class LedgerUnavailableError(RequestRefusedError):
    """The usage ledger does not answer."""

    status = 503
    kind = "unavailable"
