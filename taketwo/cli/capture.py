"""`taketwo serve` and `taketwo import`: how conversations come in."""

from __future__ import annotations

from pathlib import Path

import click

from taketwo.cli.settings import opened_store, settings, store_option
from taketwo.errors import MissingExtra, TakeTwoError, TraceUnreadable
from taketwo.store import Store


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="H", help="Address to listen on.")
@click.option(
    "--port", default=4318, show_default=True, metavar="P", help="Port for OTLP/HTTP and the page; 0 for any free one."
)
@store_option
def serve_command(host: str, port: int, store_url: str | None) -> None:
    """Receive OpenTelemetry traces and logs, and show what was captured.

    OTLP/HTTP arrives at /v1/traces and /v1/logs, where default exporters send it; a request is answered only after its
    spans are safely on disk. The page is at the same address.
    """
    try:
        from taketwo.server.run import serve
    except ModuleNotFoundError as error:
        raise MissingExtra("server", needed_for="taketwo serve") from error
    url = store_url or settings().store
    with opened_store(url) as store:
        serve(
            store,
            host=host,
            port=port,
            on_ready=lambda address: click.echo(f"Take Two listens on {address} and keeps what it gets in {url}"),
        )


@click.command("import")
@click.argument("paths", nargs=-1, required=True, metavar="PATH…", type=click.Path(path_type=Path))
@click.option(
    "--format", "file_format", metavar="F", help="otlp or openai-chat; guessed from the content when left out."
)
@click.option("--project", default="default", show_default=True, metavar="P", help="Project to put them in.")
@store_option
def import_command(paths: tuple[Path, ...], file_format: str | None, project: str, store_url: str | None) -> None:
    """Read traces and chat logs from files or folders into the store. Importing the same again changes nothing.

    Formats: `otlp` (protobuf, JSON or JSON lines, as an OpenTelemetry Collector or exporter writes it, also gzipped) and
    `openai-chat` (JSON lines with `messages`). What cannot be read is named, and the rest goes in.
    """
    unread = 0
    with opened_store(store_url) as store:
        for path in _files(paths):
            unread += _import_file(store, path, file_format, project)
    if unread:
        raise SystemExit(2)


def _files(paths: tuple[Path, ...]) -> list[Path]:
    """The files themselves; of a folder all files in it, except hidden ones."""
    found = []
    for path in paths:
        inside = (
            sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
            if path.is_dir()
            else [path]
        )
        if not inside:
            raise TraceUnreadable("the folder has no files in it", where=str(path))
        found += inside
    return found


def _import_file(store: Store, path: Path, file_format: str | None, project: str) -> int:
    """Import one file and say what came of it; gives the number of records that could not be read."""
    raise NotImplementedError
