"""Settings: what the environment says, read once and strictly."""

from dataclasses import fields
from pathlib import Path

import pytest

from config import Settings, SettingsError

SECRETS = {
    "DATABASE_URL": "postgresql://ann:hunter2@db/larder",
    "REDIS_URL": "redis://:hunter2@cache/0",
    "LARDER_ADMIN_KEY": "hunter2",
    "LARDER_SECRET_KEY": "hunter2",
    "LARDER_SECRET_KEY_BEFORE": "hunter2",
    "OPENAI_API_KEY": "hunter2",
    "ANTHROPIC_API_KEY": "hunter2",
    "HTTPS_PROXY": "http://me:hunter2@proxy:3128",
}


def _field_of(variable: str) -> str:
    return next(each.name for each in fields(Settings) if each.metadata["variable"] == variable)


def test_nothing_has_to_be_set():
    """The first start is without any configuration."""
    assert Settings.from_env({}) == Settings()


def test_an_empty_variable_is_not_set():
    """Compose files pass on what nobody filled in."""
    empty = {each.metadata["variable"]: "" for each in fields(Settings)}

    assert Settings.from_env(empty) == Settings()


def test_each_setting_has_a_variable_of_its_own_and_says_what_it_is():
    """The table in the docs is made of these."""
    variables = [each.metadata["variable"] for each in fields(Settings)]

    assert len(variables) == len(set(variables))
    assert [each.name for each in fields(Settings) if not each.metadata["about"]] == []


@pytest.mark.parametrize(
    ("variable", "raw", "value"),
    [
        ("LARDER_INSTANCE_PATH", "/srv/larder", Path("/srv/larder")),
        ("DATABASE_POOL_SIZE", "200", 200),
        ("REDIS_URL", "redis+cluster://a:1,b:2", "redis+cluster://a:1,b:2"),
        ("CACHE_BACKEND", "memory", "memory"),
        ("CACHE_MEMORY_FIRST", "No", False),
        ("CACHE_MEMORY_FIRST", "ON", True),
        ("CACHE_REDIS_TIMEOUT", "0.01", 0.01),
        ("CACHE_AUDIT_SHARE", "1", 1.0),
        ("CACHE_WARM_AT_START", " catalogue, ,prices ", ("catalogue", "prices")),
        ("SHUTDOWN_GRACE", "0", 0.0),
        ("CORS_ORIGINS", "https://a.example", ("https://a.example",)),
        ("LARDER_PROVIDERS", "providers.toml", Path("providers.toml")),
        ("HTTPS_PROXY", "http://a:b@[::1]:3128", "http://a:b@[::1]:3128"),
        ("NO_PROXY", "*", "*"),
    ],
)
def test_a_value_is_read_as_what_it_is(variable, raw, value):
    """Numbers, claims, lists and folders, not text that every user reads anew."""
    assert getattr(Settings.from_env({variable: raw}), _field_of(variable)) == value


def test_the_users_folder_may_be_written_short():
    """As in a shell."""
    found = Settings.from_env({"LARDER_INSTANCE_PATH": "~/larder"}).instance_path

    assert found == Path.home() / "larder"


@pytest.mark.parametrize(
    ("variable", "raw", "allowed"),
    [
        ("DATABASE_POOL_SIZE", "0", "from 1 to 200"),
        ("DATABASE_POOL_SIZE", "ten", "from 1 to 200"),
        ("DATABASE_POOL_SIZE", "1.5", "from 1 to 200"),
        ("REDIS_URL", "http://localhost", "redis+sentinel://"),
        ("CACHE_BACKEND", "Redis", "auto, redis, memory"),
        ("CACHE_MEMORY_FIRST", "maybe", "true, false"),
        ("CACHE_REDIS_TIMEOUT", "0", "from 0.01 to 5"),
        ("CACHE_REDIS_TIMEOUT", "nan", "from 0.01 to 5"),
        ("CACHE_REDIS_TIMEOUT", "inf", "from 0.01 to 5"),
        ("CACHE_AUDIT_SHARE", "1.1", "from 0 to 1"),
        ("LOG_LEVEL", "INFO", "debug, info, warning, error"),
        ("HTTPS_PROXY", "proxy:3128", "http://[user:password@]host:port"),
        ("HTTPS_PROXY", "https://proxy:3128", "http://[user:password@]host:port"),
        ("HTTPS_PROXY", "http://:3128", "http://[user:password@]host:port"),
        ("HTTPS_PROXY", "http://me:pass/word@proxy:3128", "http://[user:password@]host:port"),
        ("CACHE_TTL_MODELS_LIST", "0", "from 1"),
        ("CACHE_TTL_MODELS_LIST", "a day", "from 1"),
    ],
)
def test_a_wrong_value_is_refused_with_what_may_be(variable, raw, allowed):
    """The one who reads the message can mend it without the docs."""
    with pytest.raises(SettingsError) as refused:
        Settings.from_env({variable: raw})

    assert str(refused.value).startswith(variable)
    assert allowed in str(refused.value)


def test_all_faults_are_told_at_once():
    """One start a fault is a bad evening."""
    wrong = {"CACHE_BACKEND": "disk", "LOG_LEVEL": "loud", "CACHE_TTL_X": "-1", "PORT": "x"}

    with pytest.raises(SettingsError) as refused:
        Settings.from_env(wrong)

    told = [each.split()[0] for each in str(refused.value).split("; ")]
    assert told == ["CACHE_BACKEND", "LOG_LEVEL", "CACHE_TTL_X"]


@pytest.mark.parametrize("variable", SECRETS)
def test_no_secret_is_in_the_text_of_the_settings(variable):
    """They are logged, and shown in tracebacks."""
    settings = Settings.from_env(SECRETS)

    assert "hunter2" not in repr(settings)
    assert "hunter2" in getattr(settings, _field_of(variable))


def test_a_refused_secret_is_not_repeated():
    """A URL with a password in the wrong form must not end up in a log."""
    with pytest.raises(SettingsError) as refused:
        Settings.from_env(
            {"REDIS_URL": "http://:hunter2@cache", "HTTPS_PROXY": "http://me:hunter2/x@proxy"}
        )

    assert "hunter2" not in str(refused.value)


def test_any_ttl_can_be_set_by_its_name():
    """In small letters, as the namespaces have them."""
    found = Settings.from_env({"CACHE_TTL_MODELS_LIST": "5", "CACHE_TTL_FILES_LIST": ""})

    assert found.cache_ttls == {"models_list": 5}


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("", "sqlite:////srv/larder.sqlite3"),
        ("sqlite:///a.db", "sqlite:///a.db"),
        ("postgres://db/larder", "postgresql+psycopg://db/larder"),
        ("postgresql://db/larder", "postgresql+psycopg://db/larder"),
        ("postgresql+psycopg://db/larder", "postgresql+psycopg://db/larder"),
    ],
)
def test_a_database_url_gets_the_driver_that_is_there(url, used):
    """Hosters hand out URLs without one, in two spellings."""
    settings = Settings(instance_path=Path("/srv"), database_url=url)

    assert settings.sqlalchemy_url == used


def test_the_root_is_where_the_code_is():
    """Migrations are found from any working folder."""
    assert (Settings().root / "migrations" / "env.py").is_file()
