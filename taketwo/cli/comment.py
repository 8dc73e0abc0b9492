"""`taketwo comment`: one comment on a pull or merge request, written anew instead of repeated."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import click
import httpx

from taketwo.errors import BadSetting, StoreUnavailable
from taketwo.report.markdown import MARKER

LONGEST = 65_000
"""Characters that a comment may have."""
PAGES = 20
"""Pages of a hundred comments that are looked through."""


class Thread(NamedTuple):
    """The comments of a pull request (GitHub) or merge request (GitLab), and how they are written."""

    base: str
    """Where the platform's API begins."""
    headers: dict[str, str]
    """Who writes."""
    comments: str
    """Where all comments are listed, and a new one is posted."""
    comment: str
    """Where one is written anew, without its id."""
    method: Literal["PATCH", "PUT"]
    """How it is written anew."""
    needs: str
    """What the token must be allowed."""
    page: str | None = None
    """Where people read the comments; None where the platform tells of each."""

    def shown(self, comment: Mapping[str, Any]) -> str:
        """Where people read this comment."""
        return str(comment["html_url"]) if self.page is None else f"{self.page}#note_{comment['id']}"


@click.command("comment")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--name", metavar="NAME", help="Keep a comment of its own under this name, as several jobs need.")
def comment_command(file: Path, name: str | None) -> None:
    """Put FILE, which `taketwo replay --markdown` wrote, as a comment on the pull or merge request of a CI job.

    A comment of an earlier run is written anew. In a GitHub workflow it needs GITHUB_TOKEN with `pull-requests: write`,
    in a GitLab pipeline GITLAB_TOKEN with the scope `api`, as the token of a job may not comment; all else is in the
    job's own variables. Outside a pull or merge request it does nothing.
    """
    thread = thread_of(os.environ)
    if thread is None:
        click.echo("no pull or merge request, no comment")
        return
    text = file.read_text(encoding="utf-8").removeprefix(MARKER).lstrip("\n")
    click.echo(put_comment(text[:LONGEST], thread, _marker(name)))


def thread_of(variables: Mapping[str, str]) -> Thread | None:
    """Where a job with these variables comments; None where there is nothing to comment on. Raises BadSetting."""
    if variables.get("GITLAB_CI"):
        return _merge_request(variables)
    number = _pull_request_number(variables)
    return None if number is None else _pull_request(number, variables)


def put_comment(text: str, thread: Thread, marker: str = MARKER) -> str:
    """Write the comment under its mark; gives its address. Raises StoreUnavailable."""
    try:
        with httpx.Client(base_url=thread.base, headers=thread.headers, timeout=30) as client:
            found = _own(client, thread.comments, marker)
            body = {"body": f"{marker}\n{text}"}
            if found is None:
                answer = client.post(thread.comments, json=body)
            else:
                answer = client.request(thread.method, f"{thread.comment}/{found}", json=body)
            answer.raise_for_status()
            return thread.shown(answer.json())
    except httpx.HTTPStatusError as error:
        is_refused = error.response.status_code in (401, 403, 404)
        todo = f"does the token have {thread.needs}?" if is_refused else None
        raise StoreUnavailable(f"refused: {error.response.status_code}", where=thread.base, todo=todo) from error
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise StoreUnavailable(f"cannot be reached: {error}", where=thread.base) from error


def _marker(name: str | None) -> str:
    """What a comment begins with, unseen."""
    if name is None:
        return MARKER
    if not re.fullmatch(r"\w[\w ./-]*", name) or "--" in name:
        raise BadSetting(f"{name!r} cannot stand in a comment", where="--name", todo="use letters and digits")
    return MARKER.replace("taketwo", f"taketwo {name}")


def _own(client: httpx.Client, comments: str, marker: str) -> int | None:
    """The id of the comment of an earlier run; one that only quotes it begins otherwise."""
    for page in range(1, PAGES + 1):
        answer = client.get(comments, params={"per_page": 100, "page": page})
        answer.raise_for_status()
        found = answer.json()
        for comment in found:
            if (comment.get("body") or "").startswith(marker):
                return int(comment["id"])
        if len(found) < 100:
            return None
    return None


def _pull_request(number: int, variables: Mapping[str, str]) -> Thread:
    token, repository = _needed(variables, "run this in a GitHub workflow", "GITHUB_TOKEN", "GITHUB_REPOSITORY")
    return Thread(
        base=variables.get("GITHUB_API_URL") or "https://api.github.com",
        headers={"authorization": f"Bearer {token}", "accept": "application/vnd.github+json"},
        comments=f"/repos/{repository}/issues/{number}/comments",
        comment=f"/repos/{repository}/issues/comments",
        method="PATCH",
        needs="pull-requests: write",
    )


def _pull_request_number(variables: Mapping[str, str]) -> int | None:
    path = variables.get("GITHUB_EVENT_PATH")
    if not path:
        return None
    try:
        event = json.loads(Path(path).read_text(encoding="utf-8"))
        number = event.get("pull_request", {}).get("number")
        return None if number is None else int(number)
    except (OSError, ValueError, AttributeError) as error:
        raise BadSetting(f"cannot be read: {error}", where=path) from error


def _merge_request(variables: Mapping[str, str]) -> Thread | None:
    """A pipeline of a branch knows no merge request."""
    number = variables.get("CI_MERGE_REQUEST_IID")
    if not number:
        return None
    token, base, project, page = _needed(
        variables,
        "run this in a GitLab merge request pipeline",
        *("GITLAB_TOKEN", "CI_API_V4_URL", "CI_MERGE_REQUEST_PROJECT_ID", "CI_MERGE_REQUEST_PROJECT_URL"),
    )
    notes = f"{base.rstrip('/')}/projects/{project}/merge_requests/{number}/notes"
    return Thread(
        base=base,
        headers={"private-token": token},
        comments=notes,
        comment=notes,
        method="PUT",
        needs="the scope api, and the role of a reporter at least",
        page=f"{page}/-/merge_requests/{number}",
    )


def _needed(variables: Mapping[str, str], todo: str, *names: str) -> list[str]:
    for name in names:
        if not variables.get(name):
            raise BadSetting(f"{name} is not set", todo=f"{todo}, and hand it the token")
    return [variables[name] for name in names]
