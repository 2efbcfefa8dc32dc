"""What subjects of budgets have spent in a range of days: sums over the rollup."""

from collections.abc import Collection
from decimal import Decimal

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from cache.namespaces import ANALYTICS
from database.session import read_session
from database.tables.costs import UsageRollup
from services.costs.audience import Audience
from services.costs.days import DayRange

__all__ = ["Spending", "load_spending", "spent_by"]

SUBJECTS: dict[str, InstrumentedAttribute[str]] = {
    "user": UsageRollup.user_id,
    "key": UsageRollup.key_id,
    "workspace": UsageRollup.workspace_id,
}


class Spending(msgspec.Struct, frozen=True):
    """What was spent, in US dollars."""

    spent_usd: Decimal


@ANALYTICS.read("spend")
def load_spending(owner: Audience, kind: str, subject_id: str, days: DayRange) -> Spending:
    """What one subject has spent.

    Args:
        owner: whose bookings raise it: the workspace, the user, or the key's user.
        kind: `workspace`, `user` or `key`.
        subject_id: its id.
        days: in which days.
    """
    del owner  # the read's scope; the sum needs only the subject
    with read_session() as session:
        return Spending(spent_by(session, kind, [subject_id], days)[subject_id])


def spent_by(
    session: Session, kind: str, subject_ids: Collection[str], days: DayRange
) -> dict[str, Decimal]:
    """What each of some subjects of one kind has spent; zero for one without a call."""
    column = SUBJECTS[kind]
    rows = session.execute(
        select(column, func.sum(UsageRollup.cost_usd))
        .where(
            column.in_(subject_ids),
            UsageRollup.day >= days.from_on,
            UsageRollup.day < days.to_on,
        )
        .group_by(column)
    )
    return dict.fromkeys(subject_ids, Decimal(0)) | {row[0]: row[1] for row in rows}
