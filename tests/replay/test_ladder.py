"""The ladder on made-up conversations of several trades: which rung, which words, and what it must never say."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taketwo.conversation import Conversation, Gap, Turn
from taketwo.replay.agents.callable import CallableAgent
from taketwo.replay.engine import replay
from taketwo.replay.fact_sheet import FactSheet
from taketwo.replay.ladder import TIRED_AFTER, Ladder
from taketwo.replay.user import Line, Unanswerable
from taketwo.scenario import Case
from taketwo.testing import call, conversation, turn

LIBRARY = conversation(
    turn("Hello! I'd like to renew a book.", reply="Of course. What is your card number, and which book is it?"),
    turn("My card number is LC-4471 and it's “The Periodic Table”.", reply="Until when would you like to keep it?"),
    turn("Until March 14, please.", reply="I can renew it until March 14. Shall I go ahead and renew it?"),
    turn("Yes, please go ahead.", reply="Done. Is there anything else?"),
    turn("Could you also tell me when the reading room opens?", reply="At nine. Anything else?"),
    turn("No, that's all. Thank you!", reply="Goodbye!"),
)
KETTLE = conversation(
    turn("Hi, my kettle arrived broken. The order number is A-1042.", reply="Sorry! Refund or replacement?"),
    turn(
        "A replacement, please.",
        call("replace", {"order_id": "A-1042", "kind": "replacement"}, result="ok"),
        reply="It is on its way. Which address should we send it to?",
    ),
    turn("12 Baker Street, London.", reply="Thank you, it will be there on Friday."),
    turn("Great, thanks. Bye!", reply="Bye!"),
)
CLINIC = conversation(
    turn("I need an appointment with Dr Okafor.", reply="May I have your name and date of birth?"),
    turn("Ann Lee, born 1980-02-03.", reply="Morning or afternoon?"),
    turn("Afternoon. Actually, sorry, I meant the morning.", reply="Tuesday 09:30 is free. Shall I book it?"),
    turn("Yes, please book it.", reply="Booked. See you on Tuesday!"),
)


def said(recorded: Conversation, *replies: str | None) -> Line | Unanswerable | None:
    """What the user says after the agent has replied so."""
    ladder, so_far = Ladder(recorded), list[Turn]()
    for position, reply in enumerate(replies):
        line = ladder.next_line(so_far)
        assert isinstance(line, Line), f"the user should have spoken in turn {position + 1}: {line}"
        so_far.append(Turn(index=position, user=line.user, reply=reply))
    return ladder.next_line(so_far)


def words(line: Line | Unanswerable | None) -> str:
    assert isinstance(line, Line), line
    assert line.user is not None
    return line.user.text


def test_the_agent_that_says_what_it_said_hears_what_it_heard() -> None:
    assert said(LIBRARY, LIBRARY.turns[0].reply) == Line(
        LIBRARY.turns[1].user,
        "recorded",
        "the agent said what it said in the recording",
        1,
        said(LIBRARY, LIBRARY.turns[0].reply).evidence,  # type: ignore[union-attr]  # a line
    )


def test_other_words_for_the_same_question_get_the_recorded_line() -> None:
    line = said(LIBRARY, "Happy to help! Could you give me the number of your card and the title of the book?")
    assert words(line) == "My card number is LC-4471 and it's “The Periodic Table”."
    assert line.rung == "recorded"  # type: ignore[union-attr]


def test_a_question_that_comes_earlier_gets_its_own_line() -> None:
    line = said(LIBRARY, "Sure. Until when would you like to keep it?")
    assert (words(line), line.rung) == ("Until March 14, please.", "reordered")  # type: ignore[union-attr]
    assert "when would you like to keep it" in line.reason.lower()  # type: ignore[union-attr]


def test_a_question_already_answered_is_answered_again_from_the_facts() -> None:
    first, second = LIBRARY.turns[0].reply, "Sorry, what was your card number again?"
    line = said(LIBRARY, first, second)
    assert "LC-4471" in words(line)
    assert line.rung == "facts"  # type: ignore[union-attr]


def test_a_detail_that_was_volunteered_answers_a_question_that_was_never_asked() -> None:
    line = said(KETTLE, "I am sorry to hear that. What is your order number?")
    assert words(line) == "The order number is A-1042."
    assert line.rung == "facts"  # type: ignore[union-attr]
    (evidence,) = line.evidence  # type: ignore[union-attr]
    assert KETTLE.turns[evidence.turn_index].user.text[evidence.start : evidence.end] == words(line)  # type: ignore[union-attr]


def test_details_from_several_turns_are_put_together_in_the_users_own_words() -> None:
    line = said(KETTLE, "Please tell me your order number and the address.")
    assert "A-1042" in words(line) and "12 Baker Street" in words(line)
    assert line.recorded_turn_index is None  # type: ignore[union-attr]
    assert [one.turn_index for one in line.evidence] == [0, 2]  # type: ignore[union-attr]


SHOP = conversation(
    turn("Hi, I want to change two orders.", reply="What is your email? Alternatively, your full name and zip code."),
    turn("Raj Rossi, 15918", reply="Which order is it? Please give me the order ID."),
    turn("The one with the lamp, W-1042.", reply="Which one would you prefer?"),
    turn(
        "Silver, medium.",
        call("get_product", {"product": "P-7"}, result={"options": {"color": "silver", "brightness": "medium"}}),
        reply="How would you like to pay the difference: by gift card, or by PayPal?",
    ),
    turn(
        "My gift card.",
        call("change", {"order_id": "W-1042", "payment_method_id": "gift_card_2411339"}, result="ok"),
        reply="I will change W-1042 and charge gift_card_2411339. Please reply yes to go ahead.",
    ),
    turn(
        "Sorry for the delay. Yes, please.",
        reply="Done. And W-7, what is the new address, with street, city and zip code?",
    ),
    turn("9 Park Place, Denver, CO 26280", reply="I will change W-7 to that address. Do you confirm?"),
    turn("Okay, no, leave it as it is.", reply="Does that answer your question?"),
    turn("Yes, thanks, bye!", reply="Goodbye!"),
)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("To find your account: what's your email? Otherwise, your name and zip code.", "Raj Rossi, 15918"),
        ("Which color and brightness would you like for the lamp?", "Silver, medium."),
        ("Which payment method should I use for the difference?", "My gift card."),
        ("I'll change W-1042 and charge gift_card_2411339. Shall I proceed?", "Sorry for the delay. Yes, please."),
        ("Please provide the full new shipping address.", "9 Park Place, Denver, CO 26280"),
        ("I'll change W-7 to that address. Shall I proceed?", "Okay, no, leave it as it is."),
    ],
)
def test_the_same_thing_asked_in_another_way_gets_the_same_answer(question: str, answer: str) -> None:
    assert words(said(SHOP, question)) == answer


def test_consent_to_a_change_of_one_thing_is_none_to_a_change_of_another() -> None:
    line = said(SHOP, "I'll change W-9 and charge paypal_77. Do you confirm?")
    assert isinstance(line, Unanswerable) or "Yes" not in words(line)


def test_statements_of_two_lines_do_not_run_into_one_number() -> None:
    recorded = conversation(
        turn("My zip code is 25142", reply="And your street?"),
        turn("325 Highland Drive", reply="Thank you. Anything else?"),
        turn("No, bye!", reply="Bye!"),
    )
    line = said(recorded, "And your street?", "Sorry, what was your zip code, and your street?")
    assert words(line) == "My zip code is 25142, 325 Highland Drive"


@pytest.mark.parametrize(
    ("recorded", "question"),
    [
        (KETTLE, "What is your date of birth?"),
        (KETTLE, "Could you please give me your phone number?"),
        (KETTLE, "May I have the last four digits of your credit card?"),
        (KETTLE, "Would you like an extended warranty?"),
        (KETTLE, "When did you buy it?"),
        (LIBRARY, "Please provide your email address."),
        (LIBRARY, "Do you agree to pay a fine of $12?"),
        (LIBRARY, "What is your order number?"),
        (CLINIC, "What is your insurance number?"),
        (CLINIC, "Which medication do you take?"),
    ],
)
def test_what_the_recording_does_not_hold_is_not_answered(recorded: Conversation, question: str) -> None:
    line = said(recorded, question)
    assert isinstance(line, Unanswerable), line
    assert "never said anything that answers" in line.why


def test_consent_is_not_given_for_another_act() -> None:
    line = said(LIBRARY, "I will delete your account now. Shall I go ahead and delete it?")
    assert isinstance(line, Unanswerable), line


def test_consent_is_given_for_what_the_user_asked_for() -> None:
    line = said(LIBRARY, LIBRARY.turns[0].reply, "I can renew “The Periodic Table” for LC-4471. Shall I renew it?")
    assert words(line) == "Yes, please go ahead."


def test_an_agent_that_did_everything_at_once_hears_what_is_still_to_be_said() -> None:
    line = said(LIBRARY, LIBRARY.turns[0].reply, "I have renewed it until March 14. Is there anything else?")
    assert words(line) == "Could you also tell me when the reading room opens?"


def test_a_user_who_has_said_all_takes_leave_as_recorded_and_then_is_gone() -> None:
    done = "A replacement is on its way to 12 Baker Street. Is there anything else I can do for you?"
    assert words(said(KETTLE, done)) == "Great, thanks. Bye!"
    assert said(KETTLE, done, "You're welcome! What is your order number?") is None


def test_an_option_that_was_chosen_is_chosen_where_it_is_offered() -> None:
    line = said(KETTLE, "I can offer:\n1. A refund\n2. A replacement\n\nWhich option would you like?")
    assert words(line) == "A replacement, please."


def test_an_option_that_is_not_offered_is_not_chosen() -> None:
    line = said(KETTLE, "I can offer:\n1. A repair\n2. A voucher\n\nWhich option would you like?")
    assert isinstance(line, Unanswerable), line


def test_the_agent_that_asks_in_circles_is_told_apart() -> None:
    question = "What is your order number?"
    line = said(KETTLE, *[question] * (TIRED_AFTER + 1))
    assert isinstance(line, Unanswerable)
    assert "asks again" in line.why


def test_a_hidden_line_is_not_guessed() -> None:
    hidden = conversation(
        turn("Hi", reply="Your name?"),
        turn("", reply="Thanks."),
        gaps=(Gap(where="turns[1].user.text", why="hidden by the sender"),),
    )
    line = said(hidden, "Your name?")
    assert isinstance(line, Unanswerable) and "hidden by the sender" in line.why


def test_after_a_hidden_reply_the_lines_come_in_order() -> None:
    hidden = conversation(
        turn("Hi", reply=None),
        turn("A-1", reply="Thanks."),
        gaps=(Gap(where="turns[0].reply", why="hidden by the sender"),),
    )
    line = said(hidden, "Which order?")
    assert words(line) == "A-1" and "hidden by the sender" in line.reason  # type: ignore[union-attr]


def test_the_agent_speaks_first_where_it_did() -> None:
    greeted = conversation(turn(None, reply="Hello, how can I help?"), turn("Stop my newsletter.", reply="Done."))
    assert said(greeted) == Line(None, "recorded", "the agent speaks first here", 0)
    assert words(said(greeted, "Welcome! What can I do for you?")) == "Stop my newsletter."


TEXTS = st.sampled_from(
    [
        *(one.reply or "" for talk in (LIBRARY, KETTLE, CLINIC) for one in talk.turns),
        "What is your date of birth?",
        "Please provide your email address and B-77.",
        "Your total is $99.50 on 2030-01-01. Please confirm.",
        "I can offer:\n1. X-1\n2. Y-2\nWhich option would you like?",
        "Anything else?",
        "¿Cuál es su número de pedido?",
        "",
        "?",
    ]
) | st.text(max_size=60)


@given(st.sampled_from([LIBRARY, KETTLE, CLINIC]), st.lists(TEXTS, max_size=8))
def test_no_word_is_ever_said_that_the_recorded_user_did_not_say(recorded: Conversation, replies: list[str]) -> None:
    ladder, so_far = Ladder(recorded), list[Turn]()
    sheet = FactSheet(recorded)
    for reply in replies:
        line = ladder.next_line(so_far)
        if not isinstance(line, Line):
            break
        text = words(line)
        quotes = [recorded.turns[one.turn_index].user.text[one.start : one.end] for one in line.evidence]  # type: ignore[union-attr]
        assert " ".join(quotes) == text
        assert sheet.invented(text) == ()
        so_far.append(Turn(index=len(so_far), user=line.user, reply=reply))


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=30).filter(str.strip), st.text(max_size=40) | st.none()), max_size=7
    )
)
def test_an_unchanged_agent_is_told_exactly_the_recorded_lines(talk: Sequence[tuple[str, str | None]]) -> None:
    recorded = conversation(*(turn(user, reply=reply) for user, reply in talk))
    ladder, so_far = Ladder(recorded), list[Turn]()
    while isinstance(line := ladder.next_line(so_far), Line):
        assert (line.user, line.rung) == (recorded.turns[len(so_far)].user, "recorded")
        so_far.append(recorded.turns[len(so_far)])
    assert len(so_far) == len(recorded.turns)
    assert line is None


async def test_a_line_without_a_blank_in_it_is_read_in_time_that_grows_with_its_length() -> None:
    recorded = conversation(turn("Hi", reply="Hello!"), turn("a" * 1_000_000, reply="I see."))
    run = await replay(Case(id="long", recorded=recorded), CallableAgent(lambda messages: "What is your order number?"))
    assert run.ending.reason == "unanswerable"
