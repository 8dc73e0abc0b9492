"""Addresses of stores: what of them people may see, and where the recordings of each lie."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from taketwo.blobs import S3, Blobs, open_blobs
from taketwo.errors import BadSetting
from taketwo.store.recordings import recordings_folder

POSTGRESQL: Final = ("postgresql://", "postgres://")
"""How addresses of PostgreSQL databases begin."""
BLOBS: Final = "blobs"
"""Names in an address where recordings are kept: a folder, or `s3://BUCKET/PREFIX`."""
RECORDINGS: Final = "recordings"
"""The same in addresses of PostgreSQL databases, as it was called first."""
JOURNAL: Final = "journal"
"""Names the folder of the journals in such an address."""
_ARCHIVED_OBJECT: Final = f"archive:{S3}"
_OWN: Final = (BLOBS, RECORDINGS, JOURNAL)


class SqliteAddress(NamedTuple):
    """The address of a SQLite file."""

    path: str
    """The file."""
    blobs: str | None
    """Where recordings are kept; None for a folder beside the file."""


class PostgresAddress(NamedTuple):
    """The address of a PostgreSQL database."""

    url: str
    """As it was given; may hold a password."""
    where: str
    """The same without what is secret."""
    driver_url: str
    """The same without what the driver does not know."""
    blobs: str
    """Where recordings are kept: as the address says, else in a folder in the user's data folder."""
    names_blobs: bool
    """Whether the address says so, and every server of the database means the same place."""
    journal: Path | None
    """The folder of the journals; None where the address names none."""


def sqlite_address(url: str) -> SqliteAddress | None:
    """The parts of `sqlite:///PATH?blobs=…`; None for an address of another kind."""
    kind, _, rest = url.partition(":///")
    # A file may have any name, so nothing but this one word ends it.
    path, _, blobs = rest.partition(f"?{BLOBS}=")
    return SqliteAddress(path, blobs or None) if kind == "sqlite" and path else None


def postgres_address(url: str) -> PostgresAddress:
    """The parts of an address that begins like one of a PostgreSQL database. Raises BadSetting."""
    scheme, network, path, query = _parts(url)
    user, at, host = network.rpartition("@")
    name = user.partition(":")[0]
    options = parse_qsl(query, keep_blank_values=True)
    own = {key: value for key, value in options if key in _OWN and value}
    known = urlencode([(key, value) for key, value in options if key not in _OWN])
    named = own.get(BLOBS) or own.get(RECORDINGS)
    plain = re.sub(r"[^\w.-]+", "-", f"{host}{path}").strip("-") or "postgresql"
    return PostgresAddress(
        url=url,
        where=f"{scheme}://{name}{at}{host}{path}",
        driver_url=urlunsplit((scheme, network, path, known, "")),
        names_blobs=named is not None,
        blobs=named or str(Path.home() / ".local/share/taketwo" / f"{plain}.audio"),
        journal=Path(own[JOURNAL]).expanduser() if JOURNAL in own else None,
    )


def is_shared(url: str) -> bool:
    """Whether other processes can open the same store and write to it."""
    return url.startswith(("sqlite:", *POSTGRESQL))


def for_process(url: str) -> tuple[str, dict[str, str]]:
    """The address as another process may get it as an argument, and what it needs in its environment.

    Every user of a machine sees the arguments of all processes, so a password is not among them.
    """
    if not url.startswith(POSTGRESQL):
        return url, {}
    scheme, network, path, query = _parts(url)
    user, at, host = network.rpartition("@")
    name, _, password = user.partition(":")
    options = parse_qsl(query, keep_blank_values=True)
    password = next((value for key, value in options if key == "password"), unquote(password))
    left = urlencode([(key, value) for key, value in options if key != "password"])
    plain = urlunsplit((scheme, f"{name}{at}{host}", path, left, ""))
    return plain, {"PGPASSWORD": password} if password else {}


def shown(url: str) -> str:
    """The address of a store without what is secret in it."""
    return postgres_address(url).where if url.startswith(POSTGRESQL) else url


def blobs_of(url: str) -> Blobs:
    """Where the recordings of the store at this URL are; in a folder for temporary files where it is only in memory.

    Raises BadSetting, MissingExtra.
    """
    if url.startswith(POSTGRESQL):
        return open_blobs(postgres_address(url).blobs)
    if (file := sqlite_address(url)) is not None and file.blobs is not None:
        return open_blobs(file.blobs)
    if url.startswith(_ARCHIVED_OBJECT):
        return open_blobs(f"{url.removeprefix('archive:')}.audio")
    path = file.path if file is not None else url.partition("archive:///")[2]
    folder = recordings_folder(Path(path).expanduser()) if path else Path(tempfile.gettempdir()) / "taketwo.audio"
    return open_blobs(str(folder.absolute()))


def unreadable() -> BadSetting:
    """Says so without what it was: it may hold a password."""
    return BadSetting(
        "this address of a PostgreSQL database cannot be read",
        where="store",
        todo="use postgresql://USER@HOST:PORT/DATABASE, with %40 and the like for signs in a password",
    )


_HOSTS: Final = re.compile(r"(\[[^]@]*\]|[^]:@[]*)(:\d*)?(,(\[[^]@]*\]|[^]:@[]*)(:\d*)?)*")


def _parts(url: str) -> tuple[str, str, str, str]:
    """Scheme, network, path and query. The driver's own words for what is wrong would hold a part of the password."""
    try:
        scheme, network, path, query, _ = urlsplit(url)
    except ValueError:
        scheme = network = path = query = ""
    user, _, hosts = network.rpartition("@")
    if not scheme or "@" in user or not _HOSTS.fullmatch(hosts):
        raise unreadable()
    return scheme, network, path, query
