"""Every step that keeps tenants apart, in one list: the tests take out each in turn and must notice it."""

from dataclasses import dataclass

from hostcollector.gateway.promql import rewriting as rewrite
from hostcollector.gateway.store import receiving as receive
from hostcollector.gateway.store import sending as send


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """The steps on a query's way: into its text, to the store, and back."""

    rewriting: tuple[rewrite.Step, ...] = rewrite.STEPS
    sending: tuple[send.Step, ...] = send.STEPS
    receiving: tuple[receive.Step, ...] = receive.STEPS

    @property
    def steps(self) -> tuple[object, ...]:
        """All of them."""
        return (*self.rewriting, *self.sending, *self.receiving)

    def without(self, step: object) -> "Isolation":
        """Return the same without one of the steps."""
        return Isolation(
            rewriting=tuple(one for one in self.rewriting if one is not step),
            sending=tuple(one for one in self.sending if one is not step),
            receiving=tuple(one for one in self.receiving if one is not step),
        )
