"""Aliases: names of ours that stand for several models, in order or by weight.

An alias's targets are models, never aliases: what a name stands for can be seen at a glance, and
nothing goes round in circles.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from database.tables.models import CatalogueModel, ModelAlias
from schemas.models import OF_ALIASES, OF_MODELS, ModelEdit, NewModel
from services.errors import Invalid
from services.runtime import runtime
from services.unit_of_work import UnitOfWork

__all__ = ["add_alias", "check_edit"]


def add_alias(work: UnitOfWork, new: NewModel) -> ModelAlias:
    """Add an alias within `work`.

    Raises:
        Invalid: a target is not in the catalogue.
    """
    _check_targets(work.session, new.targets)
    now = runtime().clock.now()
    row = ModelAlias(
        id=new.id,
        display_name=new.display_name or new.id,
        status=new.status,
        capabilities=new.capabilities,
        strategy=new.strategy,
        targets=new.targets,
        created_at=now,
        updated_at=now,
    )
    work.session.add(row)
    return row


def check_edit(session: Session, row: CatalogueModel | ModelAlias, edit: ModelEdit) -> None:
    """Refuse a change that the kind of `row` does not allow.

    Raises:
        Invalid: it has no such field, or a target is not in the catalogue.
    """
    is_alias = isinstance(row, ModelAlias)
    for field in OF_MODELS if is_alias else OF_ALIASES:
        if field in edit.changes:
            owner = "a model" if is_alias else "an alias"
            raise Invalid.field(field, f"Only {owner} has it.")
    if is_alias and edit.prices:
        raise Invalid.field("price_override", "An alias has no price: its targets have theirs.")
    if "targets" in edit.changes:
        _check_targets(session, edit.changes["targets"])


def _check_targets(session: Session, targets: Sequence[Mapping[str, Any]]) -> None:
    wanted = [each["model"] for each in targets]
    known = set(session.scalars(select(CatalogueModel.id).where(CatalogueModel.id.in_(wanted))))
    missing = {
        f"targets.{place}.model": [f"There is no model “{model_id}”."]
        for place, model_id in enumerate(wanted)
        if model_id not in known
    }
    if missing:
        raise Invalid(missing)
