"""Which cases an actor may see, as SQL: confidential ones are their owner's and their team's.

What may not be seen is left out where it is selected, so that no list, count or cursor tells of it.
"""

from typing import Any

from sqlalchemy import ColumnElement, Exists, and_, false, or_, select

from casebell.actors import Actor, Right
from casebell.store.schema import alerts, cases, events


def hidden_receipt(actor: Actor, receipt: ColumnElement[Any]) -> Exists | None:
    """Whether a receipt is of a case that an actor may not see; None where it may see all."""
    if actor.may(Right.CONFIDENTIAL):
        return None
    return select(cases.c.receipt).where(cases.c.receipt == receipt, _anothers(actor)).exists()


def hidden_case(actor: Actor) -> ColumnElement[bool] | None:
    """Whether a case is one that an actor may not see; None where it may see all."""
    return None if actor.may(Right.CONFIDENTIAL) else _anothers(actor)


def hidden_alert(actor: Actor) -> Exists | None:
    """Whether an alert tells of a case that an actor may not see; None where it may see all."""
    return None if actor.may(Right.CONFIDENTIAL) else _of_case(_anothers(actor))


def confidential_alert() -> Exists:
    """Whether an alert tells of a confidential case: no message says more than that it has news."""
    return _of_case(cases.c.confidential)


def own_case(actor: Actor) -> ColumnElement[bool]:
    """Whether a case is the actor's own, or of one of its teams."""
    own: ColumnElement[bool] = false()
    # A case without an owner or a team has "" there, which is nobody's.
    if owners := actor.owner_keys:
        own = or_(own, cases.c.owner_key.in_(sorted(owners)))
    if teams := actor.team_keys:
        own = or_(own, cases.c.team_key.in_(sorted(teams)))
    return own


def _of_case(holds: ColumnElement[bool]) -> Exists:
    """Whether an alert tells of a case for which a condition holds."""
    told = events.alias()
    return (
        select(cases.c.receipt)
        .join(told, told.c.receipt == cases.c.receipt)
        .where(told.c.id == alerts.c.event_id, holds)
        .correlate(alerts)
        .exists()
    )


def _anothers(actor: Actor) -> ColumnElement[bool]:
    """Confidential, and neither the actor's own nor of one of its teams."""
    return and_(cases.c.confidential, ~own_case(actor))


def shown(hidden: ColumnElement[bool] | None) -> list[ColumnElement[bool]]:
    """What is not hidden, as conditions."""
    return [] if hidden is None else [~hidden]
