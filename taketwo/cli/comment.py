"""`taketwo comment`: one comment on a pull request, written anew instead of repeated."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import click
import httpx

from taketwo.errors import BadSetting, StoreUnavailable
from taketwo.report.markdown import MARKER

LONGEST = 65_000
"""Characters that a comment may have."""
PAGES = 20
"""Pages of a hundred comments that are looked through."""


@click.command("comment")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def comment_command(file: Path) -> None:
    """Put FILE, which `taketwo replay --markdown` wrote, as a comment on the pull request of a GitHub workflow.

    A comment of an earlier run is written anew. It needs GITHUB_TOKEN with `pull-requests: write`; everything else it
    takes from the workflow's own variables. Outside a pull request it does nothing.
    """
    number = _pull_request(os.environ)
    if number is None:
        click.echo("no pull request, no comment")
        return
    text = file.read_text(encoding="utf-8")[:LONGEST]
    click.echo(put_comment(text, number, os.environ))


def put_comment(text: str, number: int, variables: Mapping[str, str]) -> str:
    """Write the comment; gives its address. Raises BadSetting, StoreUnavailable."""
    for name in ("GITHUB_TOKEN", "GITHUB_REPOSITORY"):
        if not variables.get(name):
            raise BadSetting(f"{name} is not set", todo="run this in a GitHub workflow, and hand it the token")
    headers = {"authorization": f"Bearer {variables['GITHUB_TOKEN']}", "accept": "application/vnd.github+json"}
    base = variables.get("GITHUB_API_URL") or "https://api.github.com"
    comments = f"/repos/{variables['GITHUB_REPOSITORY']}/issues/{number}/comments"
    try:
        with httpx.Client(base_url=base, headers=headers, timeout=30) as client:
            found = _own(client, comments)
            address = f"/repos/{variables['GITHUB_REPOSITORY']}/issues/comments/{found}"
            body = {"body": text if MARKER in text else f"{MARKER}\n{text}"}
            answer = client.post(comments, json=body) if found is None else client.patch(address, json=body)
            answer.raise_for_status()
            return str(answer.json()["html_url"])
    except httpx.HTTPStatusError as error:
        todo = "does the token have pull-requests: write?" if error.response.status_code in (401, 403, 404) else None
        raise StoreUnavailable(f"refused: {error.response.status_code}", where=base, todo=todo) from error
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise StoreUnavailable(f"cannot be reached: {error}", where=base) from error


def _own(client: httpx.Client, comments: str) -> int | None:
    """The id of the comment of an earlier run."""
    for page in range(1, PAGES + 1):
        answer = client.get(comments, params={"per_page": 100, "page": page})
        answer.raise_for_status()
        found = answer.json()
        for comment in found:
            if MARKER in (comment.get("body") or ""):
                return int(comment["id"])
        if len(found) < 100:
            return None
    return None


def _pull_request(variables: Mapping[str, str]) -> int | None:
    path = variables.get("GITHUB_EVENT_PATH")
    if not path:
        return None
    try:
        event = json.loads(Path(path).read_text(encoding="utf-8"))
        number = event.get("pull_request", {}).get("number")
        return None if number is None else int(number)
    except (OSError, ValueError, AttributeError) as error:
        raise BadSetting(f"cannot be read: {error}", where=path) from error
