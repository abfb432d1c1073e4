"""Settings: what is read, what is refused, and that nothing tells a secret."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from evidence import keys
from infra import settings
from infra.settings import Mode, SettingsError

PRODUCTION = {
    "CONCORD_MODE": "production",
    "CONCORD_BASE_URL": "https://disputes.example",
    "CONCORD_DATABASE_URL": "postgresql://concord_app:topsecret@db.example/concord",
    "CONCORD_DATABASE_READER_URL": "postgresql://concord_reader:topsecret@db.example/concord",
    "CONCORD_STORE": "s3://evidence",
    "CONCORD_S3_ENDPOINT": "https://s3.example",
    "CONCORD_S3_ACCESS_KEY": "access-topsecret",
    "CONCORD_S3_SECRET_KEY": "secret-topsecret",
    "CONCORD_ORIGIN": "disputes.example",
    "CONCORD_KEY_FILE": "/etc/concord/keys.json",
    "CONCORD_KEY_PASSPHRASE": "topsecret and long enough",
    "CONCORD_MAIL_URL": "smtps://concord:topsecret@mail.example:465",
    "CONCORD_MAIL_FROM": "Concord <disputes@disputes.example>",
}


def test_an_empty_environment_is_a_demonstration_on_embedded_parts():
    found = settings.read({})
    assert found.is_demo
    assert found.is_embedded
    assert found.postgres_folder == Path(".data/postgres")
    assert found.store_folder == Path(".data/store")
    assert found.store_bucket is None
    assert found.mail_folder == Path(".data/mail")
    assert found.keys == Path(".data/keys.json")


def test_a_whole_production_environment_is_read():
    found = settings.read(PRODUCTION | {"PATH": "/bin", "CONCORD_PORT": "80", "HOME": ""})
    assert found.mode is Mode.PRODUCTION
    assert not found.is_demo
    assert not found.is_embedded
    assert found.port == 80
    assert found.store_bucket == "evidence"
    assert found.store_folder is None
    assert found.mail_folder is None


def test_amounts_above_which_a_second_person_approves_are_read_by_currency():
    found = settings.read({"CONCORD_APPROVALS": "EUR=100000, JPY=15000000"})
    assert found.approvals == {"EUR": 100_000, "JPY": 15_000_000}
    assert settings.read({}).approvals is None


def test_only_the_proxies_that_are_named_are_believed():
    told = settings.read({"CONCORD_TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.7,2001:db8::1"})
    assert told.trusted_proxies == ("10.0.0.0/8", "192.0.2.7", "2001:db8::1")
    assert settings.read({}).trusted_proxies == ("127.0.0.1", "::1")
    for wrong in ("*", "proxy.example", "10.0.0.1/8", "192.0.2.7,"):
        with pytest.raises(SettingsError, match="CONCORD_TRUSTED_PROXIES"):
            settings.read({"CONCORD_TRUSTED_PROXIES": wrong})


def test_witnesses_are_read_with_their_keys():
    key, *others = (
        keys.local_signer(name, bytes(32), kind).key
        for name, kind in (("w.example", 4), ("w.example", 6), ("v.example", 4), ("log", 1))
    )
    url = "https://w.example/witness"
    told = f"{url} {key} {others[0]}, http://127.0.0.1:8800/add-checkpoint {others[1]}"
    one, two = settings.read({"CONCORD_WITNESSES": told}).witnesses
    assert (one.url, one.name, one.keys) == (url, "w.example", (key, others[0]))
    assert (two.url, two.keys) == ("http://127.0.0.1:8800", (others[1],))
    assert settings.read({}).witnesses == ()
    wrong = [url, f"{url} x", f"{key}", f"{url} {key}, {url} {key}", f"{url} {others[2]}", ","]
    wrong.append(f"{url} {key} {others[1]}")
    for told in wrong:
        with pytest.raises(SettingsError, match="CONCORD_WITNESSES"):
            settings.read({"CONCORD_WITNESSES": told})


def test_authorities_are_read_with_their_roots():
    told = {"CONCORD_TIMESTAMP_URLS": "https://a.example/tsa, http://b.example"}
    roots = {"CONCORD_TIMESTAMP_ROOTS": "/etc/concord/roots.pem"}
    found = settings.read(told | roots)
    assert found.timestamp_urls == ("https://a.example/tsa", "http://b.example")
    for wrong in (told, roots, roots | {"CONCORD_TIMESTAMP_URLS": "a.example"}):
        with pytest.raises(SettingsError, match="CONCORD_TIMESTAMP_URLS"):
            settings.read(wrong)


def test_an_empty_variable_is_not_set():
    assert settings.read({"CONCORD_PORT": "", "CONCORD_REDIS_URL": ""}) == settings.read({})


def test_a_misspelt_setting_stops_the_start():
    with pytest.raises(SettingsError, match="no such setting: CONCORD_DATBASE_URL"):
        settings.read({"CONCORD_DATBASE_URL": "postgresql:///x"})


def test_the_test_bench_s_own_variables_are_none_of_ours():
    assert settings.read({"CONCORD_TEST_REDIS_URL": "redis://other"}) == settings.read({})


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        settings.read({}).port = 1


def test_a_final_slash_is_taken_off():
    found = settings.read({"CONCORD_BASE_URL": "https://disputes.example/"})
    assert found.base_url == "https://disputes.example"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"CONCORD_MODE": "prod"}, "CONCORD_MODE"),
        ({"CONCORD_PORT": "65536"}, "CONCORD_PORT"),
        ({"CONCORD_PORT": "eighty"}, "CONCORD_PORT"),
        ({"CONCORD_UPLOAD_BYTES_MAX": "0"}, "CONCORD_UPLOAD_BYTES_MAX"),
        ({"CONCORD_UPLOAD_BYTES_MAX": "1e6"}, "CONCORD_UPLOAD_BYTES_MAX"),
        ({"CONCORD_ORIGIN": "Disputes Example"}, "CONCORD_ORIGIN"),
        ({"CONCORD_ORIGIN": "disputes.example/"}, "CONCORD_ORIGIN"),
        ({"CONCORD_DATABASE_URL": "mysql://db"}, "must be a URL of postgresql"),
        ({"CONCORD_REDIS_URL": "http://redis"}, "must be a URL of redis or rediss or unix"),
        ({"CONCORD_MAIL_URL": "mail.example:25"}, "must be a URL of smtp or smtps"),
        ({"CONCORD_BASE_URL": "ftp://x"}, "must be a URL of http or https"),
        ({"CONCORD_BASE_URL": "http://disputes.example"}, "must be https"),
        ({"CONCORD_DATABASE_URL": "postgresql://db/x"}, "go together"),
        ({"CONCORD_DATABASE_READER_URL": "postgresql://db/x"}, "go together"),
        ({"CONCORD_STORE": "gs://bucket"}, "a folder's path or s3://bucket"),
        ({"CONCORD_STORE": "s3://bucket/prefix"}, "a folder's path or s3://bucket"),
        ({"CONCORD_STORE": "s3://"}, "a folder's path or s3://bucket"),
        ({"CONCORD_STORE": "s3://b", "CONCORD_S3_ACCESS_KEY": "a"}, "go together"),
        ({"CONCORD_S3_ENDPOINT": "https://s3.example"}, "CONCORD_STORE is not s3://bucket"),
        ({"CONCORD_RAIL": "fake"}, "CONCORD_RAIL_URL goes with"),
        ({"CONCORD_RAIL_URL": "http://127.0.0.1:1"}, "CONCORD_RAIL_URL goes with"),
        ({"CONCORD_RAIL": "stripe"}, "CONCORD_RAIL"),
        ({"CONCORD_APPROVALS": "EUR"}, "each currency once"),
        ({"CONCORD_APPROVALS": "EUR=1.5"}, "each currency once"),
        ({"CONCORD_APPROVALS": "XXX=1"}, "each currency once"),
        ({"CONCORD_APPROVALS": "EUR=1,EUR=2"}, "each currency once"),
    ],
)
def test_what_cannot_be_is_refused_by_name(change, problem):
    with pytest.raises(SettingsError, match=problem):
        settings.read(change)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"CONCORD_DATABASE_URL": "", "CONCORD_DATABASE_READER_URL": ""}, "CONCORD_DATABASE_URL"),
        ({"CONCORD_DATABASE_URL": "postgresql://postgres@db/x"}, "CONCORD_DATABASE_URL"),
        ({"CONCORD_DATABASE_READER_URL": "postgresql://postgres@db/x"}, "DATABASE_READER_URL"),
        ({"CONCORD_STORE": "store", "CONCORD_S3_ENDPOINT": ""}, "CONCORD_STORE"),
        ({"CONCORD_S3_ENDPOINT": "http://s3.example"}, "CONCORD_S3_ENDPOINT"),
        ({"CONCORD_ORIGIN": ""}, "CONCORD_ORIGIN"),
        ({"CONCORD_KEY_FILE": ""}, "CONCORD_KEY_FILE"),
        ({"CONCORD_KEY_FILE": "keys.json"}, "CONCORD_KEY_FILE"),
        ({"CONCORD_KEY_PASSPHRASE": ""}, "CONCORD_KEY_PASSPHRASE"),
        ({"CONCORD_KEY_PASSPHRASE": "demonstration only"}, "CONCORD_KEY_PASSPHRASE"),
        ({"CONCORD_KEY_PASSPHRASE": "short"}, "CONCORD_KEY_PASSPHRASE"),
        ({"CONCORD_MAIL_URL": ""}, "CONCORD_MAIL_URL"),
        ({"CONCORD_MAIL_FROM": ""}, "CONCORD_MAIL_FROM"),
        ({"CONCORD_BASE_URL": ""}, "CONCORD_BASE_URL"),
        ({"CONCORD_RAIL": "fake", "CONCORD_RAIL_URL": "https://rail.example"}, "CONCORD_RAIL"),
    ],
)
def test_production_refuses_what_is_embedded_insecure_or_left_at_its_default(change, name):
    environment = PRODUCTION | change
    if not change.get("CONCORD_STORE", "s3://").startswith("s3://"):
        del environment["CONCORD_S3_ACCESS_KEY"], environment["CONCORD_S3_SECRET_KEY"]
    with pytest.raises(SettingsError, match=f"in production .*{name}"):
        settings.read(environment)


def test_all_problems_are_told_at_once():
    with pytest.raises(SettingsError) as refused:
        settings.read({"CONCORD_MODE": "production"})
    assert str(refused.value).count("in production") == 8


def test_printing_the_settings_shows_no_secret():
    found = settings.read(PRODUCTION)
    assert "topsecret" not in f"{found} {found!r} {found.model_dump()} {found.model_dump_json()}"


@pytest.mark.parametrize(
    "name", [name for name, value in PRODUCTION.items() if "topsecret" in value]
)
def test_no_error_shows_a_secret(name):
    with pytest.raises(SettingsError) as refused:
        settings.read(
            {name: "topsecret", "CONCORD_MODE": "production", "CONCORD_PORT": "topsecret"}
        )
    assert "topsecret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_settings_made_by_hand_do_not_show_a_secret_either():
    with pytest.raises(ValidationError) as refused:
        settings.Settings(database_url="topsecret", key_passphrase="topsecret", port=-1)
    assert "topsecret" not in str(refused.value)


def test_the_table_in_the_readme_is_current():
    """If this fails: run `make docs`."""
    readme = settings.README.read_text(encoding="utf-8")
    assert settings.renewed(readme) == readme
    for field in settings.Settings.model_fields:
        assert f"`CONCORD_{field.upper()}`" in readme
