"""The catalogue as the tables keep it."""

import pytest
from sqlalchemy import String, select
from sqlalchemy.exc import IntegrityError

from database.session import read_session
from database.tables.models import CatalogueModel, CatalogueProvider
from tests.factories.rows import delete_row, make_catalogue_model, make_provider, put


def test_a_provider_goes_with_its_models(either):
    """No model is left that nobody serves."""
    put(make_provider("acme"), make_provider("other"))
    put(make_catalogue_model("acme/brain"), make_catalogue_model("other/brain"))

    delete_row(CatalogueProvider, id="acme")

    with read_session() as session:
        assert session.scalars(select(CatalogueModel.id)).all() == ["other/brain"]


def test_a_model_needs_its_provider(either):
    """A provider that is deleted at the same moment leaves no orphan."""
    with pytest.raises(IntegrityError):
        put(make_catalogue_model("acme/brain"))


def test_the_longest_id_fits(either):
    """A provider's id, a slash and a name fill the column, and no more."""
    provider_id, name = "p" * 64, "n" * 235
    put(make_provider(provider_id), make_catalogue_model(f"{provider_id}/{name}"))

    kept = CatalogueModel.__table__.c.id.type
    assert isinstance(kept, String)
    assert kept.length == len(f"{provider_id}/{name}")


def test_a_new_row_is_active(either):
    """Nobody has to switch on what was just added."""
    put(make_provider(), make_catalogue_model("acme/brain"))

    with read_session() as session:
        assert session.scalars(select(CatalogueProvider.status)).one() == "active"
        assert session.scalars(select(CatalogueModel.status)).one() == "active"
