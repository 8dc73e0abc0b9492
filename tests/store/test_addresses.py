"""Addresses of stores, and what of them people may see."""

from __future__ import annotations

from pathlib import Path

import pytest

from taketwo.errors import BadSetting
from taketwo.store.addresses import blobs_of, for_process, is_shared, postgres_address, shown

SECRET = "postgresql://me:p%40ss@db.example.com:5433/talks?sslmode=require&recordings=/srv/audio"


def test_a_password_is_shown_to_nobody() -> None:
    assert shown(SECRET) == "postgresql://me@db.example.com:5433/talks"
    assert shown("postgres:///talks?user=me&password=pass") == "postgres:///talks"
    assert shown("sqlite:///a:b@c") == "sqlite:///a:b@c"


@pytest.mark.parametrize("address", [SECRET, SECRET.replace("me:p%40ss@", "me@") + "&password=p%40ss"])
def test_a_process_gets_it_where_other_users_cannot_see_it(address: str) -> None:
    plain, environment = for_process(address)
    assert plain == "postgresql://me@db.example.com:5433/talks?sslmode=require&recordings=%2Fsrv%2Faudio"
    assert environment == {"PGPASSWORD": "p@ss"}
    assert for_process(plain) == (plain, {})
    assert for_process("sqlite:///file") == ("sqlite:///file", {})


def test_recordings_lie_where_the_address_says() -> None:
    assert blobs_of(SECRET).where == "/srv/audio"
    assert blobs_of("postgresql://me@db/talks?blobs=/srv/a").where == "/srv/a"
    assert blobs_of("postgresql://me@db/talks").where == f"{Path.home()}/.local/share/taketwo/db-talks.audio"
    assert blobs_of("sqlite:////x/store.sqlite3").where == "/x/store.sqlite3.audio"
    assert blobs_of("sqlite:////x/store.sqlite3?blobs=/srv/b").where == "/srv/b"
    assert blobs_of("archive:////x/old.parquet").where == "/x/old.parquet.audio"


def test_recordings_may_be_objects_of_a_bucket_whose_address_holds_no_secret() -> None:
    pytest.importorskip("obstore", reason="needs the extra 's3'")
    for url in ("sqlite:////x/store.sqlite3?blobs=s3://talks/prod/", "postgresql://me@db/t?blobs=s3://talks/prod"):
        assert blobs_of(url).where == "s3://talks/prod"
    with pytest.raises(BadSetting, match="credentials are no part") as raised:
        blobs_of("sqlite:////x?blobs=s3://key:secret@talks/prod")
    assert "secret" not in str(raised.value)
    with pytest.raises(BadSetting, match="no address of a bucket"):
        blobs_of("sqlite:////x?blobs=s3://")


def test_a_journal_is_kept_where_the_address_says_and_only_there() -> None:
    assert postgres_address(SECRET).journal is None
    named = postgres_address(f"{SECRET}&journal=/var/lib/taketwo")
    assert named.journal == Path("/var/lib/taketwo")
    assert named.driver_url == "postgresql://me:p%40ss@db.example.com:5433/talks?sslmode=require"


def test_what_other_processes_can_open_is_known() -> None:
    assert is_shared(SECRET) and is_shared("sqlite:///x")
    assert not is_shared("memory:") and not is_shared("archive:///x")


@pytest.mark.parametrize("hosts", ["", "db", "db:5432", "[::1]:5432", "one:5432,two", "%2Fvar%2Frun"])
def test_every_form_of_a_host_is_known(hosts: str) -> None:
    assert shown(f"postgresql://me:x@{hosts}/talks") == f"postgresql://me@{hosts}/talks"
