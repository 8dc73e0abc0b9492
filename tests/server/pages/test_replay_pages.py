"""Replays on pages: each step can be left and found again, and says what it knows."""

from __future__ import annotations

import html
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from made_shop import REFUNDED, desk, posted, run, shown, with_scenario

from taketwo.conversation import Call, Conversation, Turn, UserLine
from taketwo.demo.desk import PROMPT_V1, PROMPT_V2
from taketwo.demo.model import rules_as_model
from taketwo.freeze.files import load
from taketwo.server.flow.scenarios import ROWS
from taketwo.server.flow.shelf import Flow
from taketwo.store import Store, open_store

Serving: TypeAlias = Callable[..., AbstractContextManager[httpx.Client]]


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    with rules_as_model() as address:
        yield address


@pytest.fixture
def store() -> Store:
    store = open_store("memory:")
    for id in ("one", "two"):
        store.put_conversation(desk(id))
    store.put_conversation(desk("silent", hidden=True))
    return store


@pytest.fixture
def client(serving: Serving, store: Store, model: str) -> Iterator[httpx.Client]:
    with serving(store, access={"llm_base_url": model, "llm_api_key": "none"}) as client:
        client.headers["accept"] = "text/html"
        yield client


def test_what_became_of_each_selected_conversation_is_told(client: httpx.Client) -> None:
    replay = posted(client, "/replays", project="shop", everything="1")
    page = client.get(replay).text
    assert "Replay 3 conversations" in page and "The user says nothing" in page
    assert 'href="/replays/' in client.get("/replays").text


def test_all_that_a_filter_chooses_are_replayed(client: httpx.Client) -> None:
    replay = posted(client, "/replays", project="shop", everything="1", filter='said:"refund, two"')
    assert client.get(f"{replay}.json").json()["replay_session"]["selected"] == 1


def test_nothing_selected_is_said_in_words(client: httpx.Client) -> None:
    answer = client.post("/replays", data={"project": ""})
    assert answer.status_code == 400 and "nothing is selected" in answer.text


def test_a_changed_prompt_is_replayed_compared_and_judged(client: httpx.Client) -> None:
    marked = {"id": "one", "project": "shop", "turn": "1", "step": "0", "must_call": "check_status"}
    posted(client, "/marks", **marked)
    replay = with_scenario(client)
    first = run(client, replay, system_prompt=PROMPT_V1)
    assert first["execution"]["verdicts"] == {"fail": 1, "pass": 1}
    assert first["calls"][0]["case_id"] == "one"  # the gravest stands first
    second = run(client, replay, system_prompt=PROMPT_V2)
    assert second["execution"]["verdicts"] == {"pass": 1, "changed": 1}
    assert second["execution"]["run_test_id"] == first["execution"]["run_test_id"]
    page = client.get(f"/executions/{second['execution']['id']}").text
    assert "other system prompt" in page and "must call check_status in turn 2" in page
    row = client.get(f"/rows/{next(one for one in second['calls'] if one['case_id'] == 'one')['id']}").text
    assert "first divergence" in row and "issue_refund" in row and "left out" in row
    against = {"with": first["execution"]["id"]}
    compared = client.get(f"/executions/{second['execution']['id']}/compare", params=against).text
    assert "Better" in compared and "Run 2 against run 1" in compared
    assert "Rows that passed" in client.get(f"/tests/{first['execution']['run_test_id']}").text


def test_attempts_are_a_strip_and_each_can_be_looked_at(client: httpx.Client) -> None:
    done = run(client, with_scenario(client, id="one"), system_prompt=PROMPT_V2, repeat="3")
    row = f"/rows/{done['calls'][0]['id']}"
    page = client.get(row, params={"attempt": "3"}).text
    assert "attempt 3 of 3" in page and page.count("?attempt=") == 3
    assert client.get(row, params={"attempt": "9"}).status_code == 404


def test_what_is_taken_as_right_is_what_the_next_run_and_the_kept_file_compare_with(
    client: httpx.Client, store: Store, tmp_path: Path
) -> None:
    replay = with_scenario(client, id="one")
    done = run(client, replay, system_prompt=PROMPT_V2)
    assert done["execution"]["verdicts"] == {"changed": 1}
    row = f"/rows/{done['calls'][0]['id']}"
    assert posted(client, f"{row}/accept") == f"{row}?accepted=1"
    kept = ROWS.get(Flow(store), done["calls"][0]["row_id"]).case
    assert kept is not None and [call.tool for _, _, call in kept.recorded.calls()] == ["check_status", "check_status"]
    file = tmp_path / "one.scenario.yaml"
    file.write_bytes(client.get(f"{row}/file").content)
    assert load(file).cases[0].recorded.turns[1].reply == kept.recorded.turns[1].reply
    assert run(client, replay, system_prompt=PROMPT_V2)["execution"]["verdicts"] == {"pass": 1}


def test_a_conversation_leads_to_its_replays(client: httpx.Client) -> None:
    done = run(client, with_scenario(client, id="one"), system_prompt=PROMPT_V1)
    assert f'href="/rows/{done["calls"][0]["id"]}"' in client.get("/sessions/one").text
    assert "Its replays" not in client.get("/sessions/two").text


def test_a_row_is_kept_as_a_file(client: httpx.Client, tmp_path: Path) -> None:
    done = run(client, with_scenario(client, id="one"), system_prompt=PROMPT_V1)
    file = client.get(f"/rows/{done['calls'][0]['id']}/file")
    (tmp_path / "one.scenario.yaml").write_bytes(file.content)
    assert load(tmp_path / "one.scenario.yaml").cases[0].recorded.turns[1].reply == REFUNDED


def test_an_agent_in_a_process_of_its_own_is_run_by_the_lines_on_the_page(client: httpx.Client) -> None:
    test = posted(client, f"{with_scenario(client)}/run", reach="own")
    page = client.get(test).text
    assert "Waiting for your process" in page
    lines = html.unescape(page.split('id="own-code">')[1].split("</pre>")[0]).replace("print(", "str(")
    agents = types.ModuleType("my_package")
    agents.my_agent = lambda messages: REFUNDED  # type: ignore[attr-defined]
    sys.modules["my_package"] = agents
    try:
        exec(lines, found := {})
    finally:
        del sys.modules["my_package"]
    assert found["report"].url.startswith(str(client.base_url).rstrip("/"))
    leads_to = client.get(found["report"].url, follow_redirects=True)
    assert leads_to.status_code == 200 and "Rows, the gravest first" in leads_to.text
    assert "run 1" in client.get(test).text


def test_an_agent_that_is_called_is_reached_by_a_socket_or_from_an_own_process_with_sound(
    client: httpx.Client, store: Store
) -> None:
    store.put_conversation(desk("one").but(channel="voice"))
    replay = with_scenario(client, id="one")
    assert "called with the callers' recorded voices" in html.unescape(client.get(f"{replay}?step=agent").text)
    own = client.get(posted(client, f"{replay}/run", reach="own")).text
    assert 'audio="original"' in html.unescape(own) and "--audio original" in own
    execution = posted(client, f"{replay}/run", reach="url", url="ws://127.0.0.1:9/call")
    assert client.get(f"{execution}.json").json()["execution"]["agent"] == "ws://127.0.0.1:9/call"


def test_judges_and_measures_are_named_one_a_line_and_shown_again(client: httpx.Client) -> None:
    replay = with_scenario(client)
    test = posted(client, f"{replay}/run", reach="own", named="edit\n\n no_loop: 3 ")
    made = client.get(f"/api/run-tests/{test.rpartition('/')[2]}").json()
    assert made["evaluators"] == ["edit", "no_loop: 3"]
    assert "edit\nno_loop: 3</textarea>" in client.get(f"{replay}?step=agent").text


def test_a_run_that_goes_on_is_followed_and_can_be_cancelled(client: httpx.Client, store: Store) -> None:
    test = posted(client, f"{with_scenario(client)}/run", reach="own")
    made = client.post(f"/api/run-tests/{test.rpartition('/')[2]}/executions", json={"runner": "sdk"}).json()
    page = client.get(f"/executions/{made['id']}").text
    assert f'data-events="/api/test-executions/{made["id"]}/events"' in page and "0 of 2 rows done" in page
    posted(client, f"/executions/{made['id']}/cancel")
    assert client.get(f"/executions/{made['id']}.json").json()["execution"]["status"] == "cancelled"


def test_the_prompt_is_compared_word_by_word_while_it_is_written(client: httpx.Client) -> None:
    answer = client.post(
        "/replays/prompt-diff", data={"recorded_prompt": "be <b>brief</b>", "system_prompt": "be kind"}
    )
    assert "<del>" in answer.text and "<ins>" in answer.text and "<b>brief" not in answer.text
    same = client.post("/replays/prompt-diff", data={"recorded_prompt": "x\r\n", "system_prompt": "x"})
    assert "as it was recorded" in same.text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"reach": ""}, "no way to reach an agent"),
        ({"reach": "url", "url": "cmd:rm -rf /"}, "no address of an agent"),
        ({"reach": "prompt", "repeat": "0"}, "no number of repeats"),
        ({"reach": "own", "named": "edit\nnonsense"}, "no evaluator"),
    ],
)
def test_a_form_that_cannot_be_done_says_why(client: httpx.Client, fields: dict[str, str], words: str) -> None:
    answer = client.post(f"{with_scenario(client, id='one')}/run", data=fields)
    assert answer.status_code == 400 and words in answer.text


def test_a_run_without_a_scenario_is_refused(client: httpx.Client) -> None:
    replay = posted(client, "/replays", project="shop", id="one")
    assert client.post(f"{replay}/run", data={"reach": "own"}).status_code == 400
    assert "Make one first" in client.get(f"{replay}?step=agent").text


def test_what_production_calls_and_no_test_does_is_told(client: httpx.Client, store: Store) -> None:
    run(client, with_scenario(client, id="one"))
    assert "Every tool" in client.get("/tests/uncovered").text
    call = Call(call_id="e", tool="escalate", result="ok")
    turn = Turn(index=0, user=UserLine(text="A person, please."), steps=(call,), reply="Wait.")
    store.put_conversation(Conversation(id="other", project="shop", turns=(turn,)))
    told = client.get("/tests/uncovered", params={"project": "shop"}).text
    assert "escalate" in told and "in 1 conversation" in told and "filter=tool%3Aescalate" in told
    assert "/tests/uncovered" in client.get("/tests").text


def test_a_run_of_which_nothing_could_be_done_is_not_just_done(client: httpx.Client) -> None:
    replay = with_scenario(client)
    execution = posted(client, f"{replay}/run", reach="url", url="http://127.0.0.1:9/chat")
    found = shown(client, execution, lambda found: found["execution"]["status"] in ("completed", "failed"))
    assert found["execution"]["verdict"] is None
    for page in (f"/tests/{found['execution']['run_test_id']}", "/tests"):
        said = client.get(page).text
        assert "could not be done</" in said and "chip error" in said
