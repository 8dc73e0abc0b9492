from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taketwo.language.identify import language_of
from taketwo.language.meanings import groups, masked

LINES = [
    "Where is my order A-1042?",
    "hi, where is order B-77 please",
    "I want a refund for order A-1",
    "Hello! I would like a refund for my order X-9.",
    "Thanks, bye",
]


def test_the_same_question_about_other_orders_is_one_group() -> None:
    found = [set(group.members) for group in groups(LINES)]
    assert {0, 1} in found
    assert {2, 3} in found
    assert {4} in found


def test_what_is_peculiar_to_one_customer_is_masked() -> None:
    assert (
        masked("mail dana@example.com about 12.50 and A-1, see https://a.b/c?d=1")
        == "mail EMAIL about ID and ID , see URL"
    )


@given(st.lists(st.text(max_size=60), max_size=30))
def test_each_line_is_in_one_group_whatever_it_is(lines: list[str]) -> None:
    assert sorted(member for group in groups(lines) for member in group.members) == list(range(len(lines)))


@given(st.lists(st.sampled_from(LINES), min_size=1, max_size=20))
def test_equal_lines_are_never_parted(lines: list[str]) -> None:
    for group in groups(lines):
        inside = {lines[member] for member in group.members}
        assert all(lines[other] not in inside for other in range(len(lines)) if other not in group.members)


def test_the_language_is_told_by_script_or_little_words_and_not_guessed_from_one_word() -> None:
    assert language_of("Where is my order, and when is it going to arrive?") == "en"
    assert language_of("Wo ist meine Bestellung und wann kommt sie an?") == "de"
    assert language_of("Je voudrais savoir où est ma commande") == "fr"
    assert language_of("¿Dónde está mi pedido? Gracias por la ayuda") == "es"
    assert language_of("где мой заказ") == "ru"
    assert language_of("注文はどこですか") == "ja"
    assert language_of("ok") is None
