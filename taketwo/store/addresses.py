"""Addresses of stores: what of them people may see, and where the recordings of each lie."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from taketwo.store.recordings import recordings_folder

POSTGRESQL: Final = ("postgresql://", "postgres://")
"""How addresses of PostgreSQL databases begin."""
RECORDINGS: Final = "recordings"
"""Names the folder of the recordings in such an address."""


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


def postgres_address(url: str) -> PostgresAddress:
    """The parts of an address that begins like one of a PostgreSQL database."""
    scheme, network, path, query, _ = urlsplit(url)
    user, at, host = network.rpartition("@")
    name = user.partition(":")[0]
    options = parse_qsl(query, keep_blank_values=True)
    folder = next((value for key, value in options if key == RECORDINGS), None)
    known = urlencode([(key, value) for key, value in options if key != RECORDINGS])
    plain = re.sub(r"[^\w.-]+", "-", f"{host}{path}").strip("-") or "postgresql"
    return PostgresAddress(
        url=url,
        where=f"{scheme}://{name}{at}{host}{path}",
        driver_url=urlunsplit((scheme, network, path, known, "")),
        recordings=Path(folder).expanduser() if folder else Path.home() / ".local/share/taketwo" / f"{plain}.audio",
    )


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
