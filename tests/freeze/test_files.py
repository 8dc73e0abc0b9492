from __future__ import annotations

import difflib
import json
import os
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from scenario_strategies import scenarios, to_the_letter

from taketwo.capture.chat_messages import conversation_from_messages
from taketwo.conversation import Agent, Call, Conversation, Say, ToolDefinition, Turn, UserLine
from taketwo.errors import ScenarioUnreadable
from taketwo.freeze.blobs import pack
from taketwo.freeze.file_schema import file_schema
from taketwo.freeze.files import SCHEMA_FILE, load, read, save
from taketwo.freeze.freeze import freeze
from taketwo.freeze.typed import plain
from taketwo.freeze.yaml_reader import parse
from taketwo.scenario import Case, MustCall, Origin, Scenario
from taketwo.value import content_hash

VALIDATOR = jsonschema.Draft202012Validator(file_schema())
LONG = "A line of a long text.\n" * 200


def conversation(*turns: Turn, **fields: object) -> Conversation:
    numbered = tuple(turn.but(index=index) for index, turn in enumerate(turns))
    return Conversation(id="sess-1", turns=numbered).but(**fields)


def scenario(*turns: Turn, **fields: object) -> Scenario:
    return Scenario(name="refunds", cases=(Case(id="dana", recorded=conversation(*turns, **fields)),))


def turn(*steps: Say | Call, said: str = "Hi") -> Turn:
    texts = [step.text for step in steps if isinstance(step, Say)]
    return Turn(index=0, user=UserLine(text=said), steps=steps, reply=texts[-1] if texts else None)


def validate(path: Path) -> None:
    VALIDATOR.validate(plain(parse(path.read_bytes(), str(path))))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scenarios")


@given(scenarios())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_every_scenario_is_read_back_to_the_letter_and_fits_the_schema(folder: Path, scenario: Scenario) -> None:
    path = folder / "any.scenario.yaml"
    save(scenario, path)
    first = path.read_bytes()
    again = load(path)
    assert again == scenario
    assert to_the_letter(again) == to_the_letter(scenario)
    validate(path)
    save(again, path)
    assert path.read_bytes() == first, "the same scenario gives the same bytes"
    assert read(path).lines.keys() == {case.id for case in scenario.cases}


def test_a_hundred_real_conversations_are_read_back_to_the_letter(shared_data: Path, tmp_path: Path) -> None:
    functions = [tool["function"] for tool in json.loads((shared_data / "airline" / "tools.json").read_bytes())]
    tools = tuple(
        ToolDefinition(**{key: tool[key] for key in ("name", "description", "parameters")}) for tool in functions
    )
    lines = (shared_data / "airline" / "conversations.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    trials = [
        conversation_from_messages(record["messages"], id=record["id"], agent=Agent(model=record["model"], tools=tools))
        for record in records
    ]
    scenario = freeze(trials, name="airline", at=datetime(2026, 11, 18, tzinfo=UTC))
    path = tmp_path / "airline.scenario.yaml"
    save(scenario, path)
    assert len(scenario.cases) == 100
    assert to_the_letter(load(path)) == to_the_letter(scenario)
    validate(path)
    text = path.read_text(encoding="utf-8")
    assert text.count("- call: ") == 621
    assert "\n    reply:" not in text, "a text at the end is the reply, so that nothing is said twice"
    assert "message:" not in text, "which message a step came with can be told from its place"
    assert len(list((tmp_path / "airline.blobs").iterdir())) < 40, "what many cases share is there once"


def test_a_file_reads_like_a_conversation(tmp_path: Path) -> None:
    path = tmp_path / "refunds.scenario.yaml"
    call = Call(
        call_id="call_1", tool="check_status", arguments={"order_id": "A-1001"}, result={"state": "paid"}, message=0
    )
    frozen = scenario(turn(Say(text="Let me look."), call, Say(text="It is:\n- paid", message=1)))
    save(frozen, path)
    assert path.read_text(encoding="utf-8") == (
        "# yaml-language-server: $schema=scenario.schema.json\n"
        "taketwo: 1\n"
        "name: refunds\n"
        "cases:\n"
        "- id: dana\n"
        "  who: {conversation_id: sess-1}\n"
        "  turns:\n"
        "  - said: Hi\n"
        "    steps:\n"
        "    - say: Let me look.\n"
        "    - call: check_status\n"
        "      arguments: {order_id: A-1001}\n"
        "      result: {state: paid}\n"
        "      details: {call_id: call_1}\n"
        "    - say: |-\n"
        "        It is:\n"
        "        - paid\n"
    )


def test_a_result_that_is_json_in_a_text_stays_a_text(tmp_path: Path) -> None:
    path = tmp_path / "refunds.scenario.yaml"
    as_text = Call(call_id=None, tool="a", result='{"state": "paid"}')
    as_object = Call(call_id=None, tool="a", result={"state": "paid"}, message=1)
    save(scenario(turn(as_text, as_object)), path)
    calls = [call for _, _, call in load(path).cases[0].recorded.calls()]
    assert [call.result for call in calls] == ['{"state": "paid"}', {"state": "paid"}]


def test_what_is_as_deep_as_a_capture_may_hand_it_on_can_be_kept(tmp_path: Path) -> None:
    deep: object = "bottom"
    for _ in range(200):
        deep = [deep]
    call = Call(call_id=None, tool="a", arguments={"deep": deep}, result={"deep": deep, "long": LONG})
    scenario = freeze([conversation(turn(call))], name="deep", at=datetime(2026, 1, 1, tzinfo=UTC))
    save(scenario, tmp_path / "deep.scenario.yaml")
    assert load(tmp_path / "deep.scenario.yaml") == scenario


def test_a_small_change_of_the_scenario_is_a_small_change_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "refunds.scenario.yaml"
    turns = [turn(Say(text=f"Answer {number}"), said=f"Question {number}") for number in range(20)]
    save(scenario(*turns), path)
    before = path.read_text(encoding="utf-8").splitlines()
    turns[7] = turn(Say(text="Something else"), said="Question 7")
    save(scenario(*turns), path)
    after = path.read_text(encoding="utf-8").splitlines()
    changes = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    assert changes == ["-     - say: Answer 7", "+     - say: Something else"]


def test_what_is_edited_by_hand_is_what_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "refunds.scenario.yaml"
    path.write_text(
        "taketwo: 1\nname: by hand\ncases:\n"
        "- id: hello\n  expected:\n  - must_say: 25\n  turns:\n  - said: no\n    steps:\n    - say: 12:30 # then\n",
        encoding="utf-8",
    )
    (case,) = load(path).cases
    assert case.recorded.turns[0].user == UserLine(text="no")
    assert case.recorded.turns[0].reply == "12:30"
    assert (case.recorded.id, case.recorded.project, case.origin) == ("hello", "default", Origin())
    assert read(path).lines == {"hello": 4}


HEAD = "taketwo: 1\nname: x\ncases:\n"
CASE = f"{HEAD}- id: a\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "x:1: the file is no scenario (a scenario file begins with `taketwo: 1`)"),
        ("name: x\n", "x:1: the file is no scenario"),
        (
            "taketwo: 9\nname: x\nnews: []\n",
            "x:1: the file was written by a newer taketwo (format 9; this one reads up to 1) (upgrade taketwo)",
        ),
        ("taketwo: one\n", "x:1: taketwo should be the version of the form, a whole number from 1"),
        ("taketwo: 1\nname: x\n", "x:1: the file has no 'cases'"),
        ("taketwo: 1\nname: [x]\ncases: []\n", "x:2: name should be a text, not a list"),
        (f"{HEAD}- why: x\n", "x:4: cases[0] has no 'id'"),
        (
            f"{CASE}  turns:\n  - said: Hi\n    steps:\n    - call:\n      - b\n",
            "x:8: turns[0].steps[0].call should be a text, not a list",
        ),
        (
            f"{CASE}- id: b\n  expcted: []\n",
            "x:6: expcted is not a key that is known here (did you mean 'expected'?)",
        ),
        (f"{CASE}- id: a\n", "x:5: id is the id of an earlier case too (each case needs its own)"),
        (
            f"{CASE}  expected:\n  - must_call: b\n    turn: 0\n",
            "x:7: expected[0].turn should be 1 or more: turns count from 1",
        ),
        (f"{CASE}  turns:\n  - audio: {{file: x}}\n", "x:6: turns[0] has no 'said'"),
        (
            f"{CASE}  agent:\n    tools: [{{name: b}}]\n    tools_file: c\n",
            "x:6: agent.tools stands beside tools_file (keep one of the two)",
        ),
    ],
)
def test_what_cannot_be_loaded_is_named_with_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x").write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioUnreadable) as caught:
        load("x")
    assert str(caught.value).startswith(message)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ScenarioUnreadable, match=r"nowhere\.scenario\.yaml: cannot be read: No such file"):
        load("nowhere.scenario.yaml")
    with pytest.raises(ScenarioUnreadable, match="cannot be read"):
        read(".")


def long_scenario() -> Scenario:
    call = Call(call_id=None, tool="a", result={"rows": [LONG]})
    carriage_returns = Call(call_id=None, tool="a", result=LONG.replace("\n", "\r\n"), message=1)
    tools = tuple(ToolDefinition(name=f"tool_{number}", description=LONG[:200]) for number in range(20))
    return scenario(turn(call, carriage_returns), agent=Agent(system_prompt=LONG, tools=tools))


def test_long_texts_lie_beside_the_file_under_the_name_of_their_content(tmp_path: Path) -> None:
    path = tmp_path / "refunds.scenario.yaml"
    written = save(long_scenario(), path)
    assert written[0] == path
    assert load(path) == long_scenario()
    assert len(path.read_text(encoding="utf-8").splitlines()) < 25
    blobs = sorted(blob.suffix for blob in (tmp_path / "refunds.blobs").iterdir())
    assert blobs == [".json", ".json", ".json", ".txt"]
    assert {blob.name for blob in written[1:]} == {*os.listdir(tmp_path / "refunds.blobs"), SCHEMA_FILE}
    assert save(long_scenario(), path) == [path], "what is there already is not written again"


def blob_of(path: Path, suffix: str) -> Path:
    return next(blob for blob in (path.parent / "refunds.blobs").iterdir() if blob.suffix == suffix)


def renamed(path: Path, to: str) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"refunds\.blobs/\w+\.txt", to, text), encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: blob_of(path, ".txt").unlink(), "system_prompt_file is missing: 'refunds.blobs/"),
        (lambda path: blob_of(path, ".txt").write_text("else\n"), "system_prompt_file was changed since it was frozen"),
        (lambda path: renamed(path, "../secret.txt"), "system_prompt_file lies outside of the scenario's folder"),
        (lambda path: renamed(path, "/etc/passwd"), "system_prompt_file lies outside of the scenario's folder"),
        (lambda path: renamed(path, "refunds.blobs/../../secret.txt"), "system_prompt_file lies outside"),
        (lambda path: renamed(path, "refunds.scenario.yaml"), "system_prompt_file is not named after its content"),
        (lambda path: renamed(path, "refunds.blobs"), "system_prompt_file is missing"),
        (lambda path: renamed(path, r'"a\\0b"'), "system_prompt_file cannot be read"),
    ],
)
def test_a_file_beside_the_scenario_is_taken_only_as_it_was_frozen(
    tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / "in" / "refunds.scenario.yaml"
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    save(long_scenario(), path)
    spoil(path)
    with pytest.raises(ScenarioUnreadable, match=re.escape(message)) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}:8: agent.")


def test_a_file_beside_the_scenario_that_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    for depth in (700, 100_000):
        _, body = pack([{"name": "a", "parameters": 1}])
        body = body.replace(b"1", b"[" * depth + b"]" * depth)
        name = f"{content_hash(body)[:16]}.json"
        (tmp_path / name).write_bytes(body)
        path = tmp_path / "x.scenario.yaml"
        path.write_text(f"{CASE}  agent: {{tools_file: {name}}}\n", encoding="utf-8")
        with pytest.raises(ScenarioUnreadable, match=r"nested too deep|recursion"):
            load(path)


def test_a_scenario_may_be_linked_from_elsewhere(tmp_path: Path) -> None:
    save(long_scenario(), tmp_path / "kept" / "refunds.scenario.yaml")
    (tmp_path / "link.scenario.yaml").symlink_to(tmp_path / "kept" / "refunds.scenario.yaml")
    assert load(tmp_path / "link.scenario.yaml") == long_scenario()


def test_a_link_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "in" / "refunds.scenario.yaml"
    save(long_scenario(), path)
    blob = blob_of(path, ".txt")
    blob.rename(tmp_path / blob.name)
    blob.symlink_to(tmp_path / blob.name)
    with pytest.raises(ScenarioUnreadable, match="lies outside"):
        load(path)


def test_line_ends_that_git_turns_into_those_of_windows_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "refunds.scenario.yaml"
    save(long_scenario(), path)
    for file in (path, *(tmp_path / "refunds.blobs").iterdir()):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert load(path) == long_scenario()


def test_a_file_that_was_moved_with_its_long_texts_still_loads(tmp_path: Path) -> None:
    save(long_scenario(), tmp_path / "refunds.scenario.yaml")
    (tmp_path / "refunds.scenario.yaml").rename(tmp_path / "renamed.scenario.yaml")
    tmp_path.rename(tmp_path.with_name("moved"))
    assert load(tmp_path.with_name("moved") / "renamed.scenario.yaml") == long_scenario()


WRONGLY_NUMBERED = Conversation(id="a", turns=(Turn(index=3),))


@pytest.mark.parametrize(
    ("unfit", "message"),
    [
        (scenario(turn(), started_at=datetime(2026, 1, 1)), "no file can hold cases[0].recorded.started_at as it is"),
        (scenario(turn()).but(cases=scenario(turn()).cases * 2), "id is the id of an earlier case too"),
        (scenario(turn().but(latency_ms=float("nan"))), "latency_ms should be a number"),
        (scenario(turn(said="half \ud83d")), "invalid Unicode character"),
        (scenario().but(cases=(Case(id="a", recorded=WRONGLY_NUMBERED),)), "turns[0].index"),
        (
            scenario().but(cases=(Case(id="a", recorded=conversation(), expected=(MustCall(tool="a", turn=0),)),)),
            "from 1",
        ),
    ],
)
def test_what_could_not_be_read_back_is_refused_before_anything_is_written(
    tmp_path: Path, unfit: Scenario, message: str
) -> None:
    with pytest.raises(ScenarioUnreadable) as caught:
        save(unfit, tmp_path / "new" / "refunds.scenario.yaml")
    assert str(caught.value).startswith("scenario 'refunds'")
    assert message in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_where_nothing_can_be_written_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "refunds.scenario.yaml"
    save(scenario(turn()), path)
    before = path.read_bytes()
    (tmp_path / "refunds.blobs").write_text("in the way", encoding="utf-8")
    with pytest.raises(ScenarioUnreadable, match="cannot be written"):
        save(long_scenario(), path)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.tmp")) and not list(tmp_path.glob(".*"))


def test_whoever_reads_while_it_is_written_sees_one_whole_version(tmp_path: Path) -> None:
    path = tmp_path / "refunds.scenario.yaml"
    versions = [scenario(*[turn(Say(text=letter * 50))] * 50) for letter in "ab"]
    save(versions[0], path)
    ended = threading.Event()

    def write() -> None:
        for number in range(30):
            save(versions[number % 2], path)
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    while not ended.is_set():
        assert load(path) in versions
        seen += 1
    writer.join()
    assert seen > 1
