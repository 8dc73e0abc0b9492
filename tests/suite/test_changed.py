"""Which cases a change may touch, in a real repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from taketwo.conversation import Agent
from taketwo.errors import BadSetting
from taketwo.scenario import Case
from taketwo.suite.changed import Known, touched
from taketwo.suite.diff import FileChange, changes_since
from taketwo.suite.suite_case import SuiteCase
from taketwo.testing import call, conversation, turn

CODE = '''
import taketwo

STYLE = """You answer briefly and kindly.

Never promise a date.
"""


@taketwo.tool
def refund(order_id: str) -> str:
    """Pay the money back."""
    return order_id


@taketwo.tool(name="look_up")
def find(order_id: str) -> str:
    return order_id


def answer(messages):
    return "Hello!"  # as always
'''
PROMPT = """You are the desk of a shop for kettles.
You greet whoever comes in.

Refunds take five days at least, {name}.

Parcels come with the post.
"""


class Site:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("desk.py", CODE)
        self.write("prompt.md", PROMPT)
        self.write("README.md", "Nothing that an agent reads.")
        self.write("replays/refund.scenario.yaml", "as it was")
        self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        self.commit()

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def git(self, *command: str) -> None:
        settings = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *settings, *command], cwd=self.root, check=True, capture_output=True)

    def commit(self) -> None:
        self.git("commit", "-qam", "so")

    def touched(self, *cases: SuiteCase, known: Known | None, ref: str = "HEAD") -> dict[str, str]:
        found = touched(cases or CASES, changes_since(self.root, ref), lambda case: case.file, lambda case: known)
        return {case.case.id: why for case, why in found if isinstance(case, SuiteCase)}


def case(name: str, prompt: str | None, *tools: str) -> SuiteCase:
    talk = conversation(
        turn("Hi", *(call(tool, result="done") for tool in tools), reply="Hello!"), system_prompt=prompt
    )
    talk = talk.but(agent=(talk.agent or Agent()).but(system_prompt=prompt))
    return SuiteCase(Case(id=name, recorded=talk), scenario="suite", file=f"replays/{name}.scenario.yaml", line=3)


REFUND = case("refund", "You are the desk of a shop for kettles. Refunds take five days at least, Dana.", "refund")
PARCEL = case("parcel", "You are the desk of a shop for kettles.\n  Parcels come with the post.", "look_up")
BARE = case("bare", None)
CASES = (REFUND, PARCEL, BARE)
READ = Known(frozenset({"desk.py", "prompt.md"}), ())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_without_a_change_no_case_is_touched(site: Site) -> None:
    assert site.touched(known=READ) == {}


def test_a_case_whose_own_files_were_changed_is_touched_and_no_other(site: Site) -> None:
    site.write("replays/refund.scenario.yaml", "as it is")
    site.write("replays/parcel.blobs/long.txt", "new")
    assert site.touched(known=READ) == {name: "their own files were changed" for name in ("refund", "parcel")}


def test_code_that_the_agent_does_not_read_touches_nothing(site: Site) -> None:
    site.write("billing.py", "new = 1\n")
    site.write("README.md", "Other words than before, which no prompt holds.")
    assert site.touched(known=READ) == {}


def test_code_that_the_agent_runs_through_touches_every_case(site: Site) -> None:
    site.write("desk.py", CODE.replace("Hello!", "Go away!"))
    assert site.touched(known=READ) == {name: "they run through desk.py" for name in ("refund", "parcel", "bare")}
    assert site.touched(known=Known(frozenset({"another.py"}), ())) == {}


@pytest.mark.parametrize("edit", [("# as always", "# as ever"), ("\n\n\ndef answer", "\n\ndef answer")])
def test_comments_and_spaces_touch_nothing(site: Site, edit: tuple[str, str]) -> None:
    site.write("desk.py", CODE.replace(*edit))
    assert site.touched(known=READ) == {}


def test_what_a_tool_does_touches_the_cases_that_call_it(site: Site) -> None:
    site.write("desk.py", CODE.replace("    return order_id\n", "    return order_id.upper()\n", 1))
    assert site.touched(known=READ) == {"refund": "they have the tool refund"}
    called = Known(READ.files, ("refund",))
    assert set(site.touched(known=called)) == {"refund", "parcel", "bare"}


def test_what_models_see_of_a_tool_touches_the_cases_that_have_it(site: Site) -> None:
    site.write("desk.py", CODE.replace("def find(order_id: str)", "def find(order_id: int)"))
    # Of `bare` nobody knows which tools there were.
    assert site.touched(known=READ) == {name: "they have the tool look_up" for name in ("parcel", "bare")}


def test_a_new_tool_touches_every_case(site: Site) -> None:
    site.write("desk.py", CODE + "\n\n@taketwo.tool\ndef more(n: int) -> int:\n    return n\n")
    assert len(site.touched(known=READ)) == 3


def test_a_part_of_a_prompt_touches_the_cases_whose_prompt_holds_it(site: Site) -> None:
    site.write("prompt.md", PROMPT.replace("five", "nine"))
    assert site.touched(known=READ) == {
        "refund": "their prompt holds what was changed in prompt.md",
        "bare": "prompt.md is read, and their prompt does not say what for",
    }
    site.write("prompt.md", PROMPT.replace("whoever", "everybody who"))
    assert set(site.touched(known=READ)) == {"refund", "parcel", "bare"}


def test_a_prompt_in_the_code_is_a_prompt(site: Site) -> None:
    site.write("desk.py", CODE.replace("Never promise a date.", "Never promise anything."))
    brief = case("brief", "You answer briefly and kindly.\n\nNever promise a date.")
    other = case("other", "You answer briefly and kindly.")
    assert set(site.touched(brief, other, known=READ)) == {"brief"}


def test_a_prompt_that_came_another_way_than_by_a_file_that_was_seen_counts(site: Site) -> None:
    site.write("prompt.md", PROMPT.replace("five", "nine"))
    assert set(site.touched(known=Known(frozenset({"desk.py"}), ()))) == {"refund"}


def test_a_function_touches_the_cases_that_ran_it_where_that_was_seen(site: Site) -> None:
    site.write("desk.py", CODE.replace("Hello!", "Go away!"))
    ran = {"desk.py": ["answer"]}
    assert set(site.touched(known=READ._replace(functions=ran)).values()) == {"they run answer() in desk.py"}
    assert site.touched(known=READ._replace(functions={"desk.py": ["refund"]})) == {}
    too_early = READ._replace(functions={"desk.py": ["*"]})
    assert len(site.touched(known=too_early)) == 3
    # It ran another way when the file was another one.
    since = FileChange("desk.py", CODE.replace("answer", "reply"), CODE)
    found = site.touched(known=READ._replace(functions={"desk.py": ["reply"]}, since=(since,)))
    assert set(found.values()) == {"they run through desk.py, which has changed since they were replayed"}


def test_what_nobody_knows_is_touched(site: Site) -> None:
    site.write("README.md", "Other words")
    assert set(site.touched(known=None).values()) == {"they were never replayed here"}
    site.write("uv.lock", "another version")
    assert set(site.touched(known=READ).values()) == {"other packages may be installed"}
    site.write("desk.py", "def broken(:\n")
    (site.root / "uv.lock").unlink()
    assert set(site.touched(known=READ).values()) == {"they run through desk.py"}


def test_what_others_did_meanwhile_is_no_change_of_this_branch(site: Site) -> None:
    site.git("checkout", "-qb", "mine")
    site.git("checkout", "-q", "main")
    site.write("desk.py", CODE.replace("Hello!", "Go away!"))
    site.commit()
    site.git("checkout", "-q", "mine")
    assert site.touched(known=READ, ref="main") == {}
    site.write("replays/refund.scenario.yaml", "as it is")
    site.commit()
    assert set(site.touched(known=READ, ref="main")) == {"refund"}


def test_a_revision_that_there_is_not_is_told_in_one_line(site: Site) -> None:
    with pytest.raises(BadSetting, match="--changed: 'replays' cannot be compared with"):
        changes_since(site.root, "replays")
