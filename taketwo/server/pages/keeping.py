"""A conversation becomes a test: its steps are marked as wrong, and it is kept as a scenario file."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from urllib.parse import quote

import msgspec
from starlette.datastructures import FormData, QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from taketwo.capture.redact import Report
from taketwo.conversation import Call, Conversation
from taketwo.errors import BadSetting, LeakFound, PromotionRefused
from taketwo.evals.sense import insist_on_sense
from taketwo.freeze.freeze import freeze
from taketwo.scenario import (
    Case,
    Expectation,
    Kept,
    MustCall,
    MustNotCall,
    MustNotSay,
    MustSay,
    Scenario,
)
from taketwo.server.flow.keeping import archive, file_name, file_redactor, file_stem, kept_files, redaction_rules
from taketwo.server.marks import Mark, Marks, as_marked, change_marks, marks_of, with_mark
from taketwo.server.pages.drawing import conversation_address, in_words, twin
from taketwo.server.pages.forms import filled_in, see_other, text_of
from taketwo.server.pages.shell import Shell
from taketwo.store import Store
from taketwo.suite.promote import files_of, redact_scenario
from taketwo.value import JSON, content_hash, prepared

PREVIEW_CHARACTERS = 60_000
"""How much of a file its preview shows."""
LONGEST_SHOWN = 2_000
"""Characters of one text that a preview is made of: taking people out of a megabyte takes minutes."""
TURNS_SHOWN = 40
"""Turns that a preview is made of."""
MOST_REMEMBERED = 32
"""Conversations whose files are remembered, as whoever has seen a preview takes the file."""
LARGEST_REMEMBERED = 4 * 1024 * 1024
"""Bytes of the files of one; a long recording is made ready again."""


class Keeping:
    """Marks and keeps. The methods block; the application runs them in threads."""

    def __init__(self, store: Store) -> None:
        """Read from that store, and keep marks there."""
        self._store = store
        self._made: dict[str, tuple[str, dict[str, bytes]]] = {}

    def routes(self) -> list[Route]:
        """The addresses."""
        return [
            Route("/marks", filled_in(self.mark), methods=["POST"]),
            Route("/marks/reason", filled_in(self.reason), methods=["POST"]),
            Route("/keep", self.keep),
            Route("/keep.json", self.keep),
            Route("/keep/preview", self.preview),
            Route("/keep/preview.json", self.preview),
            Route("/keep/file", self.file),
        ]

    def mark(self, request: Request, form: FormData) -> Response:
        """Say what should have happened at a step; nothing at all takes the mark away."""
        conversation = self._conversation(form)
        mark = _mark(form, conversation)
        insist_on_sense(Case(id="this conversation", recorded=conversation, expected=mark.expected))
        change_marks(self._store, conversation, with_mark(mark))
        address = conversation_address(conversation.id, conversation.project)
        return see_other(f"{address}#turn-{mark.turn_index + 1}")

    def reason(self, request: Request, form: FormData) -> Response:
        """Say why the conversation is worth keeping, and who answers for it."""
        conversation = self._conversation(form)
        said, kept, tags = text_of(form, "why") or None, _kept(form), _tags(form)
        change_marks(self._store, conversation, lambda marks: marks.but(why=said, kept=kept, tags=tags))
        return see_other(f"/keep?{_query(conversation)}")

    def keep(self, request: Request) -> Response:
        """What the scenario file will say, and ways to have it."""
        conversation = self._conversation(request.query_params)
        marks = marks_of(self._store.documents, conversation)
        name = f"{file_stem(conversation.id)}.scenario.yaml"
        shell = Shell(section="sessions", project=conversation.project, projects=tuple(self._store.projects()))
        return twin(
            request,
            "keep.html",
            shell,
            {"scenario": kept(conversation, marks)},
            conversation=conversation,
            marks=marks,
            expected=[in_words(one) for one in marks.expected],
            file_name=name,
            query=_query(conversation),
            command=freeze_command(conversation, marks, name),
        )

    def preview(self, request: Request) -> Response:
        """A part of that page: what the file says, without its people; of a long conversation the beginning."""
        conversation = self._conversation(request.query_params)
        beginning, marks = abridged(conversation), marks_of(self._store.documents, conversation)
        refused = None
        try:
            # Of a long one the file alone is proved, when it is asked for.
            if beginning == conversation:
                name, files = self._files(conversation, marks)
            else:
                name, files = written(kept(beginning, marks))
        except (PromotionRefused, LeakFound) as error:
            refused = str(error)
            name, files = written(kept(beginning, marks))
        text = files[name].decode()
        body = {
            "name": name,
            "preview": text[:PREVIEW_CHARACTERS],
            "is_cut": beginning != conversation or len(text) > PREVIEW_CHARACTERS,
            "beside": sorted(set(files) - {name}),
            "refused": refused,
        }
        shell = Shell(section="sessions", project=conversation.project, projects=tuple(self._store.projects()))
        folders = sorted({one.partition("/")[0] for one in files if one != name})
        return twin(request, "keep_preview.html", shell, body, conversation=conversation, folders=folders)

    def file(self, request: Request) -> Response:
        """The scenario file; with what lies beside it, as an archive, where something does."""
        conversation = self._conversation(request.query_params)
        return download_files(*self._files(conversation, marks_of(self._store.documents, conversation)))

    def _files(self, conversation: Conversation, marks: Marks) -> tuple[str, dict[str, bytes]]:
        """The files of a conversation: what was made for the preview is not made again. Raises as `kept_files`."""
        asked = content_hash(b"\n".join([conversation.to_json(), marks.to_json(), repr(redaction_rules()).encode()]))
        if (found := self._made.get(asked)) is None:
            found = kept_files(kept(conversation, marks), self._store)
            if len(self._made) >= MOST_REMEMBERED:
                self._made.clear()
            if sum(map(len, found[1].values())) <= LARGEST_REMEMBERED:
                self._made[asked] = found
        return found

    def _conversation(self, asked: FormData | QueryParams) -> Conversation:
        id = asked.get("id")
        if not isinstance(id, str):
            raise BadSetting("names no conversation", where="id")
        return self._store.conversation(id, str(asked.get("project") or "") or None)


def abridged(conversation: Conversation) -> Conversation:
    """The first turns with the beginning of each text; the same where nothing is long."""
    some = conversation.but(turns=conversation.turns[:TURNS_SHOWN])
    return msgspec.convert(_shortened(msgspec.to_builtins(some)), prepared(Conversation))


def _shortened(thing: JSON) -> JSON:
    match thing:
        case str():
            return thing if len(thing) <= LONGEST_SHOWN else thing[:LONGEST_SHOWN] + "…"
        case list() | tuple():
            return [_shortened(one) for one in thing]
        case dict():
            return {key[:LONGEST_SHOWN]: _shortened(value) for key, value in thing.items()}
        case _:
            return thing


def kept(conversation: Conversation, marks: Marks) -> Scenario:
    """The scenario with the conversation as its one case. Raises ScenarioUnreadable where none can be made of it."""
    frozen = freeze([conversation], name="", at=datetime.now(UTC))
    case: Case = as_marked(frozen.cases[0], marks)
    insist_on_sense(case)
    return frozen.but(name=case.id, cases=(case,))


def written(scenario: Scenario) -> tuple[str, dict[str, bytes]]:
    """The name of the scenario's file, and every file by its name, without personal data: to be looked at here.

    What leaves the server goes by `kept_files`, which proves it and looks again.
    """
    scenario = redact_scenario(scenario, file_redactor(), Report())
    name = file_name(scenario)
    return name, files_of(scenario, name)


def freeze_command(conversation: Conversation, marks: Marks, name: str) -> str:
    """The command that writes the same file; arguments of calls cannot be said in it."""
    words = ["taketwo", "freeze", conversation.id, "--project", conversation.project, "--out", f"replays/{name}"]
    for expected in marks.expected:
        words += _options(expected)
    if marks.why:
        words += ["--why", marks.why]
    for tag in marks.tags:
        words += ["--tag", tag]
    for name, value in marks.kept.given().items():
        words += ["--kept-by" if name == "by" else f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)


def download_files(name: str, files: Mapping[str, bytes]) -> Response:
    """The file of that name; with what lies beside it, as an archive, where something does."""
    if len(files) == 1:
        return download(name, files[name], "application/yaml")
    return download(f"{name.removesuffix('.scenario.yaml')}.zip", archive(files), "application/zip")


def download(name: str, body: bytes, type: str) -> Response:
    """A file to be saved under a name."""
    return Response(
        body, media_type=type, headers={"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    )


def _options(expected: Expectation) -> list[str]:
    match expected:
        case MustCall() | MustNotCall():
            option, what = ("--must-call" if isinstance(expected, MustCall) else "--must-not-call"), expected.tool
        case MustSay() | MustNotSay():
            option, what = ("--must-say" if isinstance(expected, MustSay) else "--must-not-say"), expected.text
        case _:
            return []
    return [option, what if expected.turn is None else f"{what}@{expected.turn}"]


def _mark(form: FormData, conversation: Conversation) -> Mark:
    turn_index, step_index = _number(form, "turn"), _number(form, "step")
    if turn_index is None or turn_index >= len(conversation.turns):
        raise BadSetting("names no turn of the conversation", where="turn")
    steps = conversation.turns[turn_index].steps
    if step_index is not None and step_index >= len(steps):
        raise BadSetting("names no step of that turn", where="step")
    call = steps[step_index] if step_index is not None else None
    return Mark(
        turn_index=turn_index,
        step_index=step_index,
        expected=tuple(_expected(form, turn_index + 1, call if isinstance(call, Call) else None)),
    )


def _expected(form: FormData, turn: int, call: Call | None) -> Iterator[Expectation]:
    """What was filled in, for that turn."""
    if call is not None and text_of(form, "must_not_call"):
        same = call.arguments if text_of(form, "must_not_call") == "so" else None
        yield MustNotCall(tool=call.tool, turn=turn, arguments=same)
    if tool := text_of(form, "must_call"):
        yield MustCall(tool=tool, turn=turn, arguments=_arguments(text_of(form, "arguments")))
    if words := text_of(form, "must_say"):
        yield MustSay(text=words, turn=turn)
    if words := text_of(form, "must_not_say"):
        yield MustNotSay(text=words, turn=turn)


def _arguments(text: str) -> dict[str, object] | None:
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except msgspec.DecodeError as error:
        raise BadSetting(
            f"is no JSON object: {error}", where="arguments", todo='write it as {"order_id": "A-1042"}'
        ) from error


def _kept(form: FormData) -> Kept:
    day = text_of(form, "review_on")
    try:
        review_on = date.fromisoformat(day) if day else None
    except ValueError as error:
        raise BadSetting(f"{day!r} is no day", where="review_on", todo="write it as 2027-05-01") from error
    return Kept(
        incident=text_of(form, "incident") or None,
        by=text_of(form, "by") or None,
        owner=text_of(form, "owner") or None,
        review_on=review_on,
    )


def _tags(form: FormData) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag for part in text_of(form, "tags").split(",") if (tag := part.strip())))


def _number(form: FormData, name: str) -> int | None:
    text = text_of(form, name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise BadSetting(f"{text!r} is no position", where=name)
    return int(text)


def _query(conversation: Conversation) -> str:
    return f"id={quote(conversation.id, safe='')}&project={quote(conversation.project, safe='')}"
