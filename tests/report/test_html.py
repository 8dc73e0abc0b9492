from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import made_results as made
import pytest

from taketwo.report.html import html_page
from taketwo.verdict import Score

INLINE = {"ins", "del", "span", "b", "code"}
VOID = {"meta", "rect", "br", "link"}


class Read(HTMLParser):
    """The elements and the text of a page; every element must be closed where it should."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.words.append("" if tag in INLINE else " ")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def page(*cases: made.CaseFinished | made.CaseErrored, agent: str = made.AGENT) -> str:
    return html_page(made.gathered(made.suite(*cases, agent=agent)))


def test_the_page_is_well_formed() -> None:
    read = Read(page(*made.one_of_each(), made.hostile()))
    assert read.open == []
    assert sum(tag == "h1" for tag, _ in read.elements) == 1


def test_the_page_asks_nothing_of_the_network_and_runs_nothing() -> None:
    text = page(*made.one_of_each(), made.hostile())
    read = Read(text)
    assert not {tag for tag, _ in read.elements} & {"script", "link", "img", "iframe", "object", "base", "form", "a"}
    names = {name for _, attributes in read.elements for name in attributes}
    assert not {name for name in names if name.startswith("on")} and not names & {"src", "href", "style"}
    assert "url(" not in text and "@import" not in text


def test_the_policy_lets_in_this_style_and_nothing_else() -> None:
    text = page(made.passed())
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    wanted = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    (policy,) = [a["content"] for tag, a in Read(text).elements if a.get("http-equiv") == "Content-Security-Policy"]
    # The sound of calls is inside the page.
    allowed = f"style-src 'sha256-{wanted}'; media-src data:"
    assert policy == f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"


def test_hostile_text_is_text() -> None:
    text = page(made.hostile(), agent=made.EVIL)
    assert "<script" not in text
    assert "49" not in re.sub(r"<style>.*</style>", "", text, flags=re.DOTALL)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    assert "\\e[31mred\\e]0;title\\x07 <script>alert(1)</script> \\u202eevil" in Read(text).text


def test_a_megabyte_is_cut_and_counted() -> None:
    text = page(made.hostile())
    assert len(text) < 200_000
    assert "more characters)" in text


def test_the_summary_counts_and_concludes() -> None:
    read = Read(page(*made.one_of_each()))
    assert "2 of 8 cases regressed, 1 could not be replayed" in read.text
    widths = [float(a["width"] or 0) for tag, a in read.elements if tag == "rect"]
    assert sum(widths) == pytest.approx(100, abs=0.01)


def test_cases_stand_gravest_first_and_only_the_first_is_open() -> None:
    read = Read(page(*reversed(made.one_of_each())))
    cases = [a for tag, a in read.elements if tag == "details" and (a["class"] or "").startswith("case ")]
    kinds = [(a["class"] or "").removeprefix("case ") for a in cases]
    assert kinds == ["fail", "fail", "flaky", "changed", "changed", "inconclusive", "pass"]
    assert ["open" in a for a in cases] == [True, False, False, False, False, False, False]


def test_a_failure_shows_both_sides_and_marks_the_first_divergence() -> None:
    text = page(made.failed())
    turn = re.search(r'<section class="turn first-divergence">.*?</section>', text, re.DOTALL)
    assert turn is not None
    recorded, replayed = Read(turn[0].split('class="side replayed')[0]).text, Read(turn[0]).text
    assert "check_status left out order_id" in recorded and "issue_refund" not in recorded
    assert "issue_refund new call" in replayed and "amount 39.9" in replayed
    assert '<del class="whole">Your refund is approved' in text
    assert "<ins>Done: I have refunded" in text


def test_changed_words_and_arguments_are_marked_on_their_side() -> None:
    text = page(made.changed())
    assert "I have refunded $<del>20.00</del> to your card" in text
    assert "I have refunded $<ins>25.00</ins> to your card" in text
    assert "<del>20</del>" in text and "<ins>25</ins>" in text and "<ins>&#34;goodwill&#34;</ins>" in text


def test_what_answered_is_said_in_words() -> None:
    text = Read(page(made.failed(), made.long(), made.inconclusive())).text
    assert "the recorded result of the same call" in text
    assert "the state of the world as the recordings show it" in text
    assert "from the facts that this user gave in the recording (the agent asked for the order number)" in text
    assert "no recorded answer: it was recorded only with other arguments" in text
    assert "user turns: 5 recorded; calls: 3 exact, 1 state" in text


def test_another_user_line_and_what_was_noticed_are_shown() -> None:
    text = Read(page(made.other_line())).text
    assert "It is A-1. recorded: “Never mind.” from the facts" in text
    assert "find_order was answered twice by one recorded call" in text


def test_checks_show_their_evidence_and_what_was_not_judged() -> None:
    text = Read(page(made.failed())).text
    assert "✗ must call check_status in turn 4 turn 4 called only issue_refund" in text
    assert "✓ at most 400 output tokens" in text
    assert "? reply quality not judged: no judge is configured" in text


def test_turns_without_a_difference_are_folded() -> None:
    text = Read(page(made.failed(), made.inconclusive())).text
    assert "Turns 1–3 nothing different" in text
    assert "Turns 2–3 in the recording only" in text


def test_every_attempt_and_every_figure_is_there() -> None:
    text = Read(page(made.flaky())).text
    assert "Replayed, attempt 2 of 3" in text
    assert "Attempt 1: 0 changes, ended: every user line was said and answered" in text
    assert "Output tokens unknown unknown" in text
    assert "Not to be compared: latency: the recording ran against live tools" in text


def test_a_case_that_could_not_be_replayed_is_on_the_page() -> None:
    assert "replays/broken.scenario.yaml:7: a case needs an id" in Read(page(made.errored())).text


def test_numbers_and_labels_of_evaluators_are_a_table() -> None:
    finished = made.passed()
    (attempt,) = finished.result.attempts
    scores = (
        Score(name="csat <b>", value=7.25, evaluator="csat/1 m"),
        Score(name="pair", value="better", evaluator="better/1 m"),
        Score(name="polite", value=True, evaluator="mine"),
    )
    scored = finished.but(result=finished.result.but(attempts=(attempt.but(scores=scores),)))
    read = Read(page(scored))
    assert "csat <b> 7.25 one case 7.25, 7.25 1 csat/1 m" in read.text
    assert "pair better 1× 1 better/1 m" in read.text
    assert Read(page(made.passed())).text.count("95 % interval") == 0
