"""What CI jobs run: selection, the summary, annotations, the comment on a pull request, the script of the action."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from taketwo.cli.comment import Thread, put_comment, thread_of
from taketwo.errors import BadSetting, StoreUnavailable
from taketwo.freeze.files import save
from taketwo.report.markdown import MARKER
from taketwo.scenario import Case, MustSay, Scenario
from taketwo.suite.memory import FILE, Memory
from taketwo.testing import conversation, turn
from taketwo.verdict import Past

REPOSITORY = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with ten cases and two agents."""
    talk = conversation(turn("Hi", reply="Hello!"))
    cases = [
        Case(id=f"case-{n}", recorded=talk, expected=(MustSay(text="Hello"),), tags=("even" if n % 2 == 0 else "odd",))
        for n in range(10)
    ]
    save(Scenario(name="greetings", cases=tuple(cases)), tmp_path / "replays" / "a.scenario.yaml")
    agents = "def good(messages):\n    return 'Hello!'\n\ndef bad(messages):\n    return '<b>Go</b> away!'\n"
    (tmp_path / "desk.py").write_text(agents, encoding="utf-8")
    return tmp_path


def environment(site: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    return {"PATH": path, "HOME": str(site / "home"), "PYTHONUTF8": "1"}


@pytest.fixture
def run(site: Path) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "taketwo", *arguments]
        return subprocess.run(command, cwd=site, env=environment(site), capture_output=True, text=True, timeout=60)

    return run


def replayed(run: Run, site: Path, *arguments: str) -> set[str]:
    assert run("replay", "replays", "--agent", "desk:good", "--json", "r.json", *arguments).returncode == 0
    return {one["case_id"] for one in json.loads((site / "r.json").read_text(encoding="utf-8"))["results"]}


def test_cases_are_chosen_by_tag(run: Run, site: Path) -> None:
    assert replayed(run, site, "--tag", "even") == {f"case-{n}" for n in range(0, 10, 2)}
    assert len(replayed(run, site, "--tag", "even", "--tag", "odd")) == 10


def test_cases_are_chosen_by_words_as_pytest_does(run: Run, site: Path) -> None:
    assert replayed(run, site, "-k", "case-1 or (EVEN and not case-2)") == {
        "case-0",
        "case-1",
        "case-4",
        "case-6",
        "case-8",
    }
    refused = run("replay", "replays", "--agent", "desk:good", "-k", "even and")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1


def test_shards_share_the_cases_among_them(run: Run, site: Path) -> None:
    parts = [replayed(run, site, "--shard", f"{n}/2") for n in (1, 2)]
    assert parts[0] | parts[1] == {f"case-{n}" for n in range(10)}
    assert not parts[0] & parts[1]
    assert run("replay", "replays", "--agent", "desk:good", "--shard", "3/2").returncode == 2


def test_the_summary_begins_with_what_regressed_and_text_stays_text(run: Run, site: Path) -> None:
    done = run("replay", "replays", "--agent", "desk:bad", "--markdown", "s.md", "--annotations")
    assert done.returncode == 1
    lines = (site / "s.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == MARKER
    assert lines[1].startswith("### ❌ 10 regressions: must say Hello")
    assert "<b>" not in "\n".join(lines)
    annotations = [line for line in done.stdout.splitlines() if line.startswith("::error ")]
    assert len(annotations) == 10
    assert "file=replays/a.scenario.yaml,line=" in annotations[0]


def remembered(site: Path) -> Past:
    with closing(Memory(site)) as memory:
        return memory.past()["replays/a.scenario.yaml::case-0"].seen


def commit(site: Path, agent: str) -> str:
    """Commit a desk of which `now` is this agent; gives the first digits of the commit."""

    def git(*words: str) -> str:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.com")
        return subprocess.run(["git", *who, *words], cwd=site, capture_output=True, text=True, check=True).stdout

    git("init", "-q")
    (site / "now.py").write_text(f"from desk import {agent} as answer\n", encoding="utf-8")
    git("add", "now.py", "desk.py", "replays")
    git("commit", "-qm", agent, "--allow-empty")
    return git("rev-parse", "HEAD")[:8]


def test_the_summary_says_since_which_commit_it_is_red_and_how_sure_that_is(run: Run, site: Path) -> None:
    def first_lines() -> str:
        words = ("--markdown", "s.md", "--repeat", "3")
        run("replay", "replays", "--agent", "now:answer", *words)
        return "\n".join((site / "s.md").read_text(encoding="utf-8").replace("\\", "").splitlines()[1:4])

    green = commit(site, "good")
    assert "No regression" in first_lines()
    red = commit(site, "bad")
    said = first_lines()
    assert said.startswith("### ❌ 10 regressions: must say Hello")
    assert f"- **case-0**: red since {red} (" in said
    assert f"green at {green} (" in said
    assert "; failed 3 of 3 attempts, pass rate between 0.00 and 0.56 (95 %); fidelity 1.00" in said
    commit(site, "bad")  # another commit of the same agent: it was red before
    assert f"red since {red} (" in first_lines()


def test_changes_that_are_not_committed_are_no_commit(run: Run, site: Path) -> None:
    commit(site, "good")
    (site / "now.py").write_text("from desk import bad as answer\n", encoding="utf-8")
    run("replay", "replays", "--agent", "now:answer", "--markdown", "s.md")
    assert "no green run is known" in (site / "s.md").read_text(encoding="utf-8")
    assert "red since" not in (site / "s.md").read_text(encoding="utf-8")


def test_what_needs_no_replay_at_another_commit_is_green_at_that_one(run: Run, site: Path) -> None:
    commit(site, "good")
    run("replay", "replays", "--agent", "now:answer")
    later = commit(site, "good")
    assert "from cache: 10 of 10" in run("replay", "replays", "--agent", "now:answer").stdout
    commit(site, "bad")
    run("replay", "replays", "--agent", "now:answer", "--markdown", "s.md")
    assert f"green at {later} (" in (site / "s.md").read_text(encoding="utf-8").replace("\\", "")


def test_the_file_that_was_once_kept_for_it_is_told_of_in_one_line(run: Run) -> None:
    refused = run("replay", "replays", "--agent", "desk:good", "--history", "h.json")
    assert refused.returncode == 2
    assert refused.stderr.startswith("taketwo: --history: is remembered in .taketwo/ of the repository (")


class GitHub(BaseHTTPRequestHandler):
    """The few addresses of GitHub's API that comments need."""

    def do_GET(self) -> None:
        self._answer(self.server.comments)  # type: ignore[attr-defined]  # kept there by the fixture

    def do_POST(self) -> None:
        comments = self.server.comments  # type: ignore[attr-defined]  # kept there by the fixture
        comments.append({"id": len(comments) + 1, "body": self._body(), "html_url": f"https://x/{len(comments) + 1}"})
        self._answer(comments[-1], 201)

    def do_PATCH(self) -> None:
        number = int(self.path.rsplit("/", 1)[1])
        comment = self.server.comments[number - 1]  # type: ignore[attr-defined]  # kept there by the fixture
        comment["body"] = self._body()
        self._answer(comment)

    def _body(self) -> str:
        return str(json.loads(self.rfile.read(int(self.headers["content-length"])))["body"])

    def _answer(self, body: object, status: int = 200) -> None:
        allowed = self.headers["authorization"] == "Bearer t0ken"
        content = json.dumps(body if allowed else {"message": "Bad credentials"}).encode()
        self.send_response(status if allowed else 401)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def github() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), GitHub)
    server.comments = [{"id": 1, "body": "A person's own words.", "html_url": "https://x/1"}]  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def variables(github: ThreadingHTTPServer, token: str = "t0ken") -> dict[str, str]:
    url = f"http://127.0.0.1:{github.server_port}"
    return {"GITHUB_TOKEN": token, "GITHUB_REPOSITORY": "a/b", "GITHUB_API_URL": url}


def thread(known: dict[str, str], tmp_path: Path) -> Thread:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7}}), encoding="utf-8")
    found = thread_of({**known, "GITHUB_EVENT_PATH": str(event)})
    assert found is not None
    return found


def test_a_pull_request_has_one_comment_however_often_it_is_replayed(
    github: ThreadingHTTPServer, tmp_path: Path
) -> None:
    pull_request = thread(variables(github), tmp_path)
    first = put_comment("red", pull_request)
    second = put_comment("green", pull_request)
    assert first == second == "https://x/2"
    bodies = [comment["body"] for comment in github.comments]  # type: ignore[attr-defined]
    assert bodies == ["A person's own words.", f"{MARKER}\ngreen"]


def test_a_token_that_may_not_comment_is_told(github: ThreadingHTTPServer, tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="pull-requests: write"):
        put_comment("x", thread(variables(github, "another"), tmp_path))
    with pytest.raises(BadSetting, match="GITHUB_TOKEN"):
        thread({}, tmp_path)


class GitLab(BaseHTTPRequestHandler):
    """The notes of merge request 7 of project 42, as GitLab's API has them: page by page, with notes of its own."""

    PLACE = "/api/v4/projects/42/merge_requests/7/notes"

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        asked = dict(pair.split("=") for pair in query.split("&"))
        size, page = int(asked["per_page"]), int(asked["page"])
        notes = self.server.notes  # type: ignore[attr-defined]  # kept there by the fixture
        self._answer(200, notes[(page - 1) * size : page * size], is_known=path == self.PLACE)

    def do_POST(self) -> None:
        notes = self.server.notes  # type: ignore[attr-defined]  # kept there by the fixture
        notes.append({"id": 300 + len(notes), "body": self._body(), "system": False})
        self._answer(201, notes[-1], is_known=self.path == self.PLACE)

    def do_PUT(self) -> None:
        place, _, number = self.path.rpartition("/")
        notes = self.server.notes  # type: ignore[attr-defined]  # kept there by the fixture
        (note,) = (note for note in notes if note["id"] == int(number))
        note["body"] = self._body()
        self._answer(200, note, is_known=place == self.PLACE)

    def _body(self) -> str:
        return str(json.loads(self.rfile.read(int(self.headers["content-length"])))["body"])

    def _answer(self, status: int, body: object, *, is_known: bool) -> None:
        if self.headers["private-token"] != "t0ken":
            status, body = 401, {"message": "401 Unauthorized"}
        elif not is_known:
            status, body = 404, {"message": "404 Not found"}
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def gitlab() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), GitLab)
    quoted = f"> {MARKER}\nWhat does this mean?"
    notes = [{"id": n, "body": "added 1 commit" if n % 2 else quoted, "system": bool(n % 2)} for n in range(150)]
    server.notes = notes  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def pipeline(gitlab: ThreadingHTTPServer, token: str = "t0ken") -> dict[str, str]:
    return {
        "GITLAB_CI": "true",
        "GITLAB_TOKEN": token,
        "CI_API_V4_URL": f"http://127.0.0.1:{gitlab.server_port}/api/v4",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_PROJECT_ID": "42",
        "CI_MERGE_REQUEST_PROJECT_URL": "https://gitlab.example/a/b",
    }


def test_a_merge_request_has_one_note_however_often_it_is_replayed(
    gitlab: ThreadingHTTPServer, run: Run, site: Path
) -> None:
    addresses = []
    for agent in ("desk:bad", "desk:good"):
        run("replay", "replays", "--agent", agent, "--markdown", "s.md")
        command = [sys.executable, "-m", "taketwo", "comment", "s.md"]
        environ = {**environment(site), **pipeline(gitlab)}
        done = subprocess.run(command, cwd=site, env=environ, capture_output=True, text=True, timeout=60, check=True)
        addresses.append(done.stdout.strip())
    assert addresses == ["https://gitlab.example/a/b/-/merge_requests/7#note_450"] * 2
    *others, own = gitlab.notes  # type: ignore[attr-defined]
    assert len(others) == 150
    assert own["body"].startswith(f"{MARKER}\n### ✅ No regression")
    assert not any(note["body"].startswith(MARKER) for note in others)


def test_each_of_several_jobs_has_a_note_of_its_own(gitlab: ThreadingHTTPServer, site: Path) -> None:
    (site / "s.md").write_text(f"{MARKER}\n### fine\n", encoding="utf-8")
    told = {**environment(site), **pipeline(gitlab)}
    for name in ("shop", "desk", "shop"):
        command = [sys.executable, "-m", "taketwo", "comment", "s.md", "--name", name]
        subprocess.run(command, cwd=site, env=told, capture_output=True, timeout=60, check=True)
    bodies = [note["body"] for note in gitlab.notes[150:]]  # type: ignore[attr-defined]
    assert bodies == [f"<!-- taketwo {name} -->\n### fine\n" for name in ("shop", "desk")]
    command = [sys.executable, "-m", "taketwo", "comment", "s.md", "--name", "a --> b"]
    done = subprocess.run(command, cwd=site, env=told, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.startswith("taketwo: --name: ")) == (2, True)


def test_a_pipeline_without_a_merge_request_or_a_token_is_told(gitlab: ThreadingHTTPServer) -> None:
    assert thread_of({"GITLAB_CI": "true"}) is None
    with pytest.raises(BadSetting, match="GITLAB_TOKEN is not set"):
        thread_of({**pipeline(gitlab), "GITLAB_TOKEN": ""})
    refused = thread_of(pipeline(gitlab, "another"))
    assert refused is not None
    with pytest.raises(StoreUnavailable, match=r"refused: 401 .*the scope api"):
        put_comment("x", refused)


@pytest.mark.parametrize(("agent", "code"), [("desk:good", 0), ("desk:bad", 1)])
def test_the_script_of_the_action_does_it_all(site: Path, github: ThreadingHTTPServer, agent: str, code: int) -> None:
    event = site / "event.json"
    head = {"sha": "c0ffee" + "0" * 34}
    event.write_text(json.dumps({"pull_request": {"number": 7, "head": head}}), encoding="utf-8")
    told = {
        **environment(site),
        **variables(github),
        "GITHUB_ACTIONS": "true",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_STEP_SUMMARY": str(site / "summary.md"),
        "TAKETWO_TARGETS": "replays",
        "TAKETWO_CI_AGENT": agent,
        "TAKETWO_COMMENT": "true",
        "TAKETWO_CONTROL": "no-such-journal.jsonl",
    }
    script = ["bash", str(REPOSITORY / "deploy" / "ci" / "replay.sh")]
    done = subprocess.run(script, cwd=site, env=told, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stderr
    assert (site / "summary.md").read_text(encoding="utf-8").startswith(MARKER)
    assert len(github.comments) == 2  # type: ignore[attr-defined]
    seen = remembered(site)
    at = seen.green if code == 0 else seen.red
    assert at is not None and at.revision == head["sha"]
    assert {"junit.xml", "report.html", "results.json", "results.sarif"} <= set(os.listdir(site / "taketwo-report"))


def test_the_action_hands_every_input_to_the_script() -> None:
    action = yaml.safe_load((REPOSITORY / "action.yml").read_text(encoding="utf-8"))
    (step,) = (step for step in action["runs"]["steps"] if "run" in step)
    told = " ".join(step["env"].values())
    of_other_steps = {"sarif", "memory"}
    assert all(f"inputs.{name} " in told for name in action["inputs"] if name not in of_other_steps)
    script = (REPOSITORY / "deploy" / "ci" / "replay.sh").read_text(encoding="utf-8")
    assert all(name in script for name in step["env"] if name.startswith("TAKETWO_"))
    for other in action["runs"]["steps"]:
        for path in re.findall(r"taketwo-report/[\w.]+", str(other)):
            assert path in script


def test_the_template_of_gitlab_replays_comments_and_keeps_the_exit_code(
    site: Path, gitlab: ThreadingHTTPServer
) -> None:
    job = yaml.safe_load((REPOSITORY / "deploy" / "ci" / "gitlab.yml").read_text(encoding="utf-8"))[".taketwo"]
    told = {**environment(site), **pipeline(gitlab), **job["variables"], "TAKETWO_CI_AGENT": "desk:bad"}
    told |= {"TAKETWO_TARGETS": "replays", "TAKETWO_INSTALL": "", "CI_COMMIT_SHA": "c" * 40}
    lines = [line for line in job["script"] if not line.startswith("pip ")]
    codes = []
    for script in (lines, job["after_script"]):
        command = ["bash", "-ec", "\n".join(script)]
        codes.append(subprocess.run(command, cwd=site, env=told, capture_output=True, timeout=60).returncode)
    assert codes == [1, 0]
    assert gitlab.notes[-1]["body"].startswith(f"{MARKER}\n### ❌ 10 regressions")  # type: ignore[attr-defined]
    assert (site / job["artifacts"]["reports"]["junit"]).is_file()
    (folder,) = job["cache"][0]["paths"]
    assert (site / folder / FILE).is_file()
    assert remembered(site).red is not None


def test_the_nightly_jobs_are_red_on_the_day_on_which_something_moved(site: Path) -> None:
    workflow = yaml.safe_load((REPOSITORY / "deploy" / "ci" / "canary.yml").read_text(encoding="utf-8"))
    gitlab = yaml.safe_load((REPOSITORY / "deploy" / "ci" / "gitlab.yml").read_text(encoding="utf-8"))[
        ".taketwo-canary"
    ]
    (site / "now.py").write_text("from desk import good as answer\n", encoding="utf-8")
    told = {**environment(site), **workflow["env"], "AGENT": "now:answer", "TARGETS": "replays"}
    told |= {
        "GITHUB_STEP_SUMMARY": str(site / "night.md"),
        "TAKETWO_CI_AGENT": "now:answer",
        "TAKETWO_TARGETS": "replays",
    }
    steps = [step["run"] for step in workflow["jobs"]["canary"]["steps"] if "taketwo " in step.get("run", "")]

    def night(*scripts: str) -> list[int]:
        return [
            subprocess.run(["bash", "-ec", script], cwd=site, env=told, capture_output=True, timeout=60).returncode
            for script in scripts
            if "pip install" not in script
        ]

    assert night(*steps) == [0, 0]
    assert night(*gitlab["script"]) == [0]
    (site / "now.py").write_text("from desk import bad as answer\n", encoding="utf-8")
    assert night(*steps) == [1, 0]
    assert "- a.scenario.yaml::case-0: fails in 5 of 5 replays" in (site / "night.md").read_text(encoding="utf-8")
    assert night(*gitlab["script"], *gitlab["after_script"])[1:] == [0]
    (journal,) = gitlab["cache"][0]["paths"]
    assert len((site / journal).read_text(encoding="utf-8").splitlines()) == 4
