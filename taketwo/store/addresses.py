"""Addresses of stores: what of them people may see, and where the recordings of each lie."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from taketwo.errors import BadSetting
from taketwo.store.recordings import recordings_folder

POSTGRESQL: Final = ("postgresql://", "postgres://")
"""How addresses of PostgreSQL databases begin."""
RECORDINGS: Final = "recordings"
"""Names the folder of the recordings in such an address."""
JOURNAL: Final = "journal"
"""Names the folder of the journals in such an address."""


class PostgresAddress(NamedTuple):
    """The address of a PostgreSQL database."""

    url: str
    """As it was given; may hold a password."""
    where: str
    """The same without what is secret."""
    driver_url: str
    """The same without what the driver does not know."""
    recordings: Path
    """The folder of the recordings: that of the address, else one in the user's data folder."""
    journal: Path | None
    """The folder of the journals; None where the address names none."""


def postgres_address(url: str) -> PostgresAddress:
    """The parts of an address that begins like one of a PostgreSQL database. Raises BadSetting."""
    scheme, network, path, query = _parts(url)
    user, at, host = network.rpartition("@")
    name = user.partition(":")[0]
    options = parse_qsl(query, keep_blank_values=True)
    own = {key: Path(value).expanduser() for key, value in options if key in (RECORDINGS, JOURNAL) and value}
    known = urlencode([(key, value) for key, value in options if key not in (RECORDINGS, JOURNAL)])
    plain = re.sub(r"[^\w.-]+", "-", f"{host}{path}").strip("-") or "postgresql"
    return PostgresAddress(
        url=url,
        where=f"{scheme}://{name}{at}{host}{path}",
        driver_url=urlunsplit((scheme, network, path, known, "")),
        recordings=own.get(RECORDINGS) or Path.home() / ".local/share/taketwo" / f"{plain}.audio",
        journal=own.get(JOURNAL),
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


def folder_of(url: str) -> Path:
    """Where the recordings of the store at this URL lie; a folder for temporary files where it is only in memory."""
    if url.startswith(POSTGRESQL):
        return postgres_address(url).recordings
    kind, _, path = url.partition("///")
    if kind in {"sqlite:", "archive:"}:
        return recordings_folder(Path(path))
    return Path(tempfile.gettempdir()) / "taketwo.audio"


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
