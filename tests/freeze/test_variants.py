"""Synthetic cases: the same facts, another wording; always labelled, always from somewhere."""

from __future__ import annotations

import random

from fake_providers import FakeProviders, fake_providers
from hypothesis import given
from hypothesis import strategies as st

from taketwo.freeze.variants import MANNERS, PERSONAS, RETELLINGS, Persona, facts_of, retold_by_model, variants
from taketwo.freeze.walks import walks
from taketwo.llm import ModelSettings, open_model
from taketwo.llm.asked import AskedModel
from taketwo.scenario import Case, MustCall
from taketwo.testing import call, conversation, turn

LINES = [
    "Hi, I'm waiting for order A-1042 since 2026-11-02. Can you check it?",
    "Please send $39.90 back to Dana Miller, I don't want the kettle.",
    'It says "out for delivery" and nothing happens. Where is it?',
    "",
    "Thanks!",
]
PERSON = conversation(
    turn(LINES[0], call("check_status", {"order_id": "A-1042"}, result="late"), reply="It is late."),
    turn(LINES[1], reply="Done."),
)
CASE = Case(id="late", recorded=PERSON, expected=(MustCall(tool="check_status", turn=1),))


def test_as_many_as_wanted_each_named_after_its_source_and_what_was_changed() -> None:
    made = variants([CASE], 12, seed=1)
    assert len(made) == len({case.id for case in made}) == 12
    for case in made:
        assert (case.origin.kind, case.origin.conversation) == ("synthetic", "recorded")
        assert case.origin.made_by
        assert case.origin.changed
        assert case.expected == CASE.expected


def test_the_same_seed_gives_the_same_and_another_one_others() -> None:
    assert variants([CASE], 8, seed=1) == variants([CASE], 8, seed=1)
    assert variants([CASE], 8, seed=1) != variants([CASE], 8, seed=2)


def test_sources_take_turns() -> None:
    other = CASE.but(id="other", recorded=PERSON.but(turns=(turn("Hello, I'm here about my bill. Please help."),)))
    sources = [case.id.split("~")[0] for case in variants([CASE, other], 6, seed=1)]
    assert set(sources[:2]) == {"late", "other"}


def test_the_tool_world_is_the_recorded_one() -> None:
    for case in variants([CASE], 10, seed=3):
        assert [step for turn in case.recorded.turns for step in turn.steps] == [
            step for turn in PERSON.turns for step in turn.steps
        ]


@given(st.sampled_from(LINES) | st.text(max_size=80), st.sampled_from([*RETELLINGS, *MANNERS]), st.integers(0, 99))
def test_no_variant_touches_a_fact(line: str, name: str, seed: int) -> None:
    case = Case(id="one", recorded=conversation(turn(line, reply="Yes.")))
    for made in variants([case], 15, seed=seed):
        (told,) = [turn.user.text for turn in made.recorded.turns if turn.user]
        assert sorted(facts_of(told)) == sorted(facts_of(line))
    way = {**RETELLINGS, **MANNERS}[name]
    assert isinstance(way(line, random.Random(seed)), str)


def test_a_conversation_without_words_has_no_variants() -> None:
    assert variants([Case(id="mute", recorded=conversation(turn(None, reply="Hello?")))], 5, seed=1) == []


async def test_a_model_may_say_it_otherwise_but_not_something_else() -> None:
    honest = "Order A-1042 has been on its way since 2026-11-02, look it up!"
    only = CASE.but(recorded=PERSON.but(turns=PERSON.turns[:1]))
    with fake_providers(lambda text: honest) as provider:
        made = await retold_by_model(only, model_at(provider), persona=PERSONAS[0], number=1)
        assert made is not None
        assert made.origin.made_by == "persona terse, by openai:gpt-4o-mini"
        strict = await retold_by_model(
            only, model_at(provider), persona=PERSONAS[0], number=1, invented=lambda line: "x"
        )
        assert strict is None
    with fake_providers(lambda text: "My order is B-77.") as provider:
        assert await retold_by_model(only, model_at(provider), persona=PERSONAS[0], number=1) is None


def model_at(provider: FakeProviders) -> AskedModel:
    return open_model(ModelSettings(model="openai:gpt-4o-mini", base_url=f"{provider.url}/v1", api_key="k"))


def test_ways_that_cross_make_a_new_one_with_the_facts_of_the_first() -> None:
    def talk(id: str, order: str, *rest: str) -> Case:
        turns = [
            turn(
                f"My order is {order}",
                call("find", {"order_id": order}, result=f"{order} is late"),
                reply="It is late.",
            ),
            turn("And now?", reply="We wait."),
            *(
                turn(line, call("refund", {"order_id": order}, result="ok"), reply=f"{order}: paid back.")
                for line in rest
            ),
        ]
        return Case(id=id, recorded=conversation(*turns).but(id=id))

    made = walks([talk("short", "A-1042"), talk("long", "B-7777", "Then give me my money back")], 5)
    (crossed,) = [case for case in made if len(case.recorded.turns) == 3]
    assert crossed.origin.made_by == "walk on the graph"
    assert crossed.recorded.turns[2].calls[0].arguments == {"order_id": "A-1042"}
    assert crossed.recorded.turns[2].reply == "A-1042: paid back."
    assert "B-7777" not in crossed.to_json().decode()
    assert crossed.origin.kind == "synthetic"
    assert (crossed.origin.conversation, crossed.origin.also_of) == ("short", ("long",))
    assert crossed.also_of() == ("long",)


def test_few_variants_of_many_conversations_differ_in_more_than_one_way() -> None:
    told = [
        Case(id=f"c{n}", recorded=conversation(turn(f"{n}. Hello, where is my parcel? I am waiting.")).but(id=f"c{n}"))
        for n in range(8)
    ]
    made = variants(told, 8, seed=1)
    assert len({one.origin.made_by for one in made}) >= 5
    assert len({one.origin.conversation for one in made}) >= 5


def test_few_walks_begin_in_many_conversations() -> None:
    def talk(number: int) -> Case:
        lines = (f"Where is my parcel{'?' * number}", "And now?", f"Then give me my money back{'!' * number}")
        talked = conversation(*(turn(one, reply="We wait.") for one in lines))
        return Case(id=f"c{number}", recorded=talked.but(id=f"c{number}"))

    made = walks([talk(number) for number in range(6)], 6)
    assert len({case.origin.conversation for case in made}) == len(made) > 1


def test_personas_that_are_asked_for_speak_first() -> None:
    told = [
        Case(id=f"c{n}", recorded=conversation(turn(f"{n}. Hello, where is my parcel? Please help.")).but(id=f"c{n}"))
        for n in range(3)
    ]
    rude = Persona(name="rude", manner="impatient")
    unknown = Persona(name="of no known manner")
    made = variants(told, 7, seed=1, personas=[rude, PERSONAS[0], unknown])
    assert {case.origin.made_by for case in made[:6]} == {"persona rude", "persona terse"}
    assert made[6].origin.made_by not in ("persona rude", "persona terse")
    assert not any(
        "no known manner" in str(case.origin.made_by) for case in variants(told, 99, seed=1, personas=[unknown])
    )
