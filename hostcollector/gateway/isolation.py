"""Every step that keeps tenants apart, in one list: the tests take out each in turn and must notice it."""

from dataclasses import dataclass, fields

from hostcollector.gateway.promql import rewriting as rewrite
from hostcollector.gateway.store import receiving as receive
from hostcollector.gateway.store import sending as send
from hostcollector.gateway.usage import selecting as select


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """The steps on the way of a query to the store and back, and of a question to the ledger."""

    rewriting: tuple[rewrite.Step, ...] = rewrite.STEPS
    sending: tuple[send.Step, ...] = send.STEPS
    receiving: tuple[receive.Step, ...] = receive.STEPS
    usage_questions: tuple[select.QuestionStep, ...] = select.QUESTION_STEPS
    usage_rows: tuple[select.RowStep, ...] = select.ROW_STEPS

    @property
    def steps(self) -> tuple[object, ...]:
        """All of them."""
        return tuple(step for stage in fields(self) for step in getattr(self, stage.name))

    def without(self, step: object) -> "Isolation":
        """Return the same without one of the steps."""
        stages = {stage.name: getattr(self, stage.name) for stage in fields(self)}
        return Isolation(
            **{name: tuple(one for one in steps if one is not step) for name, steps in stages.items()}
        )
