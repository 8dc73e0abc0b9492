"""The same talk in each language: what is asked, told, claimed, promised and refused, and who speaks when."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from taketwo.compare.compare import compare
from taketwo.compare.say_do import unbacked_claims
from taketwo.conversation import Conversation
from taketwo.language.facts import facts_in
from taketwo.language.phrasebook import LANGUAGES, language_of_talk, phrasebook
from taketwo.language.speech_acts import refusal
from taketwo.replay.agent_asks import read_asks
from taketwo.replay.fact_sheet import FactSheet
from taketwo.replay.ladder import Ladder
from taketwo.replay.user import Line, Unanswerable
from taketwo.testing import call, conversation, turn


class Talk(NamedTuple):
    """One return of an order, and what else may be said in it."""

    opening: str
    help_: str
    ask_id: str
    give_id: str
    ask_reason: str
    give_reason: str
    ask_consent: str
    yes: str
    done: str
    thanks: str
    bye: str
    ask_birth: str
    promise: str
    refusal: str
    dates: str


TALKS = {
    "en": Talk(
        "Hello, I want to cancel my order.",
        "How can I help you?",
        "Could you please provide your order number?",
        "It is W-4711.",
        "What is the reason for the cancellation?",
        "I ordered the wrong size.",
        "Shall I cancel the order now?",
        "Yes, please.",
        "I have cancelled your order. Is there anything else I can do for you?",
        "No, thank you. Goodbye!",
        "Have a nice day!",
        "What is your date of birth?",
        "Your money will be refunded on 5 March 2026.",
        "I am sorry, but I cannot refund this order.",
        "It arrives on 5 March 2026 with three parcels.",
    ),
    "de": Talk(
        "Guten Tag, ich möchte meine Bestellung stornieren.",
        "Wie kann ich Ihnen helfen?",
        "Könnten Sie mir bitte Ihre Bestellnummer nennen?",
        "Sie lautet W-4711.",
        "Was ist der Grund für die Stornierung?",
        "Ich habe die falsche Größe bestellt.",
        "Soll ich die Bestellung jetzt stornieren?",
        "Ja, bitte.",
        "Ich habe Ihre Bestellung storniert. Kann ich sonst noch etwas für Sie tun?",
        "Nein, danke. Auf Wiedersehen!",
        "Schönen Tag noch!",
        "Wie lautet Ihr Geburtsdatum?",
        "Der Betrag wird Ihnen am 5. März 2026 erstattet.",
        "Leider kann ich diese Bestellung nicht erstatten.",
        "Sie kommt am 5. März 2026 mit drei Paketen.",
    ),
    "fr": Talk(
        "Bonjour, je voudrais annuler ma commande.",
        "Comment puis-je vous aider ?",
        "Pourriez-vous me donner votre numéro de commande ?",
        "C'est le W-4711.",
        "Quelle est la raison de l'annulation ?",
        "J'ai commandé la mauvaise taille.",
        "Souhaitez-vous que j'annule la commande maintenant ?",
        "Oui, s'il vous plaît.",
        "J'ai annulé votre commande. Puis-je faire autre chose pour vous ?",
        "Non merci. Au revoir !",
        "Bonne journée !",
        "Quelle est votre date de naissance ?",
        "Le montant vous sera remboursé : il sera remboursé le 5 mars 2026.",
        "Malheureusement, je ne peux pas rembourser cette commande.",
        "Elle arrive le 5 mars 2026 avec trois colis.",
    ),
    "es": Talk(
        "Hola, quiero cancelar mi pedido.",
        "¿En qué puedo ayudarle?",
        "¿Podría indicarme su número de pedido, por favor?",
        "Es el W-4711.",
        "¿Cuál es el motivo de la cancelación?",
        "Pedí la talla equivocada.",
        "¿Desea que cancele el pedido ahora?",
        "Sí, por favor.",
        "He cancelado su pedido. ¿Puedo ayudarle en algo más?",
        "No, gracias. ¡Adiós!",
        "¡Que tenga un buen día!",
        "¿Cuál es su fecha de nacimiento?",
        "El importe será reembolsado el 5 de marzo de 2026.",
        "Lo siento, no puedo reembolsar este pedido.",
        "Llega el 5 de marzo de 2026 con tres paquetes.",
    ),
    "pt": Talk(
        "Olá, quero cancelar o meu pedido.",
        "Como posso ajudar?",
        "Poderia me informar o número do pedido, por favor?",
        "É o W-4711.",
        "Qual é o motivo do cancelamento?",
        "Pedi o tamanho errado.",
        "Deseja que eu cancele o pedido agora?",
        "Sim, por favor.",
        "Cancelei o seu pedido. Posso ajudar em algo mais?",
        "Não, obrigado. Tchau!",
        "Tenha um bom dia!",
        "Qual é a sua data de nascimento?",
        "O valor será reembolsado no dia 5 de março de 2026.",
        "Infelizmente não posso reembolsar este pedido.",
        "Chega no dia 5 de março de 2026 com três pacotes.",
    ),
    "it": Talk(
        "Buongiorno, vorrei annullare il mio ordine.",
        "Come posso aiutarla?",
        "Potrebbe darmi il numero dell'ordine, per favore?",
        "È W-4711.",
        "Qual è il motivo dell'annullamento?",
        "Ho ordinato la taglia sbagliata.",
        "Vuole che annulli l'ordine adesso?",
        "Sì, proceda pure.",
        "Ho annullato il suo ordine. Posso aiutarla in qualcos'altro?",
        "No, grazie. Arrivederci!",
        "Buona giornata!",
        "Qual è la sua data di nascita?",
        "L'importo sarà rimborsato il 5 marzo 2026.",
        "Purtroppo non posso rimborsare questo ordine.",
        "Arriva il 5 marzo 2026 con tre pacchi.",
    ),
    "nl": Talk(
        "Goedendag, ik wil mijn bestelling annuleren.",
        "Waarmee kan ik u helpen?",
        "Kunt u mij alstublieft uw bestelnummer geven?",
        "Het is W-4711.",
        "Wat is de reden van de annulering?",
        "Ik heb de verkeerde maat besteld.",
        "Zal ik de bestelling nu annuleren?",
        "Ja, graag.",
        "Ik heb uw bestelling geannuleerd. Kan ik u nog ergens anders mee helpen?",
        "Nee, bedankt. Tot ziens!",
        "Fijne dag nog!",
        "Wat is uw geboortedatum?",
        "Het bedrag wordt op 5 maart 2026 terugbetaald.",
        "Helaas kan ik deze bestelling niet terugbetalen.",
        "Het komt op 5 maart 2026 met drie pakketten.",
    ),
}


@pytest.fixture(params=sorted(TALKS))
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def recorded(talk: Talk) -> Conversation:
    cancelled = call("cancel_order", {"order_id": "W-4711"}, result="ok")
    made = conversation(
        turn(talk.opening, reply=talk.ask_id),
        turn(talk.give_id, call("get_order", {"order_id": "W-4711"}, result="pending"), reply=talk.ask_reason),
        turn(talk.give_reason, reply=talk.ask_consent),
        turn(talk.yes, cancelled, reply=talk.done),
        turn(talk.thanks, reply=talk.bye),
    )
    # As a capture has it: nobody has said what writes.
    return made.but(agent=made.agent.but(tools=()))


def test_each_language_has_a_talk() -> None:
    assert set(TALKS) == set(LANGUAGES)


def test_the_language_of_a_talk_is_found(language: str) -> None:
    assert language_of_talk(recorded(TALKS[language]).texts()) == language


def test_what_an_agent_asks_is_read(language: str) -> None:
    talk = TALKS[language]
    kinds = {
        name: [need.kind for need in read_asks(getattr(talk, name), language).needs]
        for name in ("help_", "ask_id", "ask_reason", "ask_consent", "ask_birth", "bye", "done")
    }
    assert kinds == {
        "help_": ["open"],
        "ask_id": ["slot"],
        "ask_reason": ["slot"],
        "ask_consent": ["yes_no"],
        "ask_birth": ["slot"],
        "bye": [],
        "done": [],
    }
    assert read_asks(talk.done, language).closes and read_asks(talk.bye, language).closes
    assert {"order", "id"} <= read_asks(talk.ask_id, language).needs[0].about
    assert {"birth", "date"} <= read_asks(talk.ask_birth, language).needs[0].about


def test_what_a_user_does_is_read(language: str) -> None:
    talk = TALKS[language]
    lines = FactSheet(recorded(talk)).lines
    assert "request" in {one.act for one in lines[0].statements}
    assert (lines[3].says, lines[4].says) == ("yes", "no")
    assert [line.closes for line in lines] == [False, False, False, False, True]


def test_the_ladder_answers_what_is_asked_in_another_order_and_abstains(language: str) -> None:
    talk = TALKS[language]
    ladder = Ladder(recorded(talk))

    def after(*pairs: tuple[str, str]) -> str | None:
        line = ladder.next_line(conversation(*(turn(user, reply=reply) for user, reply in pairs)).turns)
        if isinstance(line, Unanswerable):
            return "?"
        return line.user.text if isinstance(line, Line) and line.user is not None else None

    assert after((talk.opening, talk.ask_reason)) == talk.give_reason
    assert after((talk.opening, talk.ask_reason), (talk.give_reason, talk.ask_id)) == talk.give_id
    assert after((talk.opening, talk.ask_birth)) == "?"
    told = [(talk.opening, talk.ask_reason), (talk.give_reason, talk.ask_id), (talk.give_id, talk.ask_consent)]
    assert after(*told) == talk.yes
    assert after(*told, (talk.yes, talk.done)) == talk.thanks


def test_what_is_said_to_be_done_and_was_not_is_found(language: str) -> None:
    talk = recorded(TALKS[language])
    assert unbacked_claims(talk) == ()
    without = talk.but(turns=tuple(one.but(steps=()) for one in talk.turns))
    (claim,) = unbacked_claims(without)
    assert (claim.turn_index, claim.act) == (3, "cancel")


def test_promises_and_refusals_are_compared(language: str) -> None:
    talk = TALKS[language]
    was = recorded(talk)

    def facts(reply: str) -> set[tuple[str, str]]:
        changed = was.but(turns=(*was.turns[:-1], was.turns[-1].but(reply=f"{talk.bye} {reply}")))
        return {
            (fact.kind, fact.after) for change in compare(was, changed).changes for fact in change.facts if fact.after
        }

    assert {kind for kind, _ in facts(talk.promise)} >= {"promise", "date"}
    assert {kind for kind, _ in facts(talk.refusal)} == {"refusal"}
    assert refusal(talk.done, language) is None
    assert refusal(talk.refusal, language)


def test_dates_and_numbers_in_words_are_facts(language: str) -> None:
    found = [(fact.kind, fact.value, fact.unit) for fact in facts_in(TALKS[language].dates, language)]
    assert found == [("date", "03-05", "2026"), ("number", "3", "")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("um 15 Uhr", "15:00"),
        ("um 15:30 Uhr", "15:30"),
        ("um 9.30 Uhr", "09:30"),
        ("à 15h30", "15:30"),
        ("om 9 uur", "09:00"),
    ],
)
def test_times_are_told_as_the_language_does(text: str, value: str) -> None:
    language = "fr" if "h" in text and "U" not in text else "nl" if "uur" in text else "de"
    times = [fact.value for fact in facts_in(text, language) if fact.kind == "time"]
    assert times == [value]


SWEDISH = conversation(
    turn("Hej, jag vill avboka min beställning.", reply="Vad är ditt ordernummer?"),
    turn("Det är W-4711.", reply="Vad är anledningen till avbokningen?"),
    turn(
        "Jag har beställt fel storlek och vill inte ha den.",
        reply="Jag har avbokat din beställning. Kan jag hjälpa dig med något mer?",
    ),
    turn("Nej tack, hej då!", reply="Ha en bra dag!"),
)


def test_a_language_without_a_table_is_never_guessed_at() -> None:
    assert language_of_talk(SWEDISH.texts()) == "sv"
    assert phrasebook("sv") == phrasebook(None)
    assert unbacked_claims(SWEDISH) == ()
    ladder = Ladder(SWEDISH)
    asked = ladder.next_line([SWEDISH.turns[0].but(reply="Vad är ditt födelsedatum?")])
    assert isinstance(asked, Unanswerable)
    same = ladder.next_line([SWEDISH.turns[0]])
    assert isinstance(same, Line) and same.recorded_turn_index == 1


def test_too_little_to_tell_by_is_english_and_much_that_nobody_can_read_is_not() -> None:
    assert language_of_talk(["Ok"]) == "en"
    assert language_of_talk(["xqz vrt klm " * 30]) is None
