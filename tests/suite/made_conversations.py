"""A labelled set of made-up conversations with people in them: in the user's lines, in arguments, in nested results."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterator
from typing import Any, NamedTuple

from faker import Faker

from taketwo.conversation import Agent, Call, Conversation, Say, Turn, UserLine


class Labelled(NamedTuple):
    """A conversation, and what in it must go and must stay."""

    conversation: Conversation
    personal: list[tuple[str, str]]
    """Kind and value of each thing that must go, wherever it stands."""
    plain: list[str]
    """What must stay letter by letter."""


SAID = (
    "Hi, I'm {name} and order {order} never came. You can reach me at {email} or {phone}.",
    "Hello, this is {name}. I was charged twice, card {card}. Mail me: {email}",
    "My name is {name}, order {order}. Call me on {phone} please.",
    "Order {order} went to the wrong place! My address is {street}. My mail is {email}.\nRegards,\n{name}",
    "I am writing on behalf of {name} about order {order}, phone {phone}, the card ends in {last4}.",
)


def labelled(seed: int, count: int) -> Iterator[Labelled]:
    fake = Faker(["en_US", "en_GB", "de_DE", "fr_FR"])
    fake.seed_instance(seed)
    draw = random.Random(seed)
    for number in range(count):
        yield _talk(number, fake, draw)


def _person(fake: Faker, draw: random.Random) -> dict[str, str]:
    local = draw.choice(["en_US", "en_GB", "de_DE", "fr_FR"])
    first, last = fake[local].first_name(), fake[local].last_name()
    ascii_names = [word.lower().encode("ascii", "ignore").decode() for word in (first, last)]
    digits = f"{draw.randrange(1000, 10000)}"
    card = fake.credit_card_number("visa16")
    return {
        "first": first,
        "last": last,
        "name": f"{first} {last}",
        "email": f"{'.'.join(ascii_names)}{digits}@{draw.choice(['gmail.com', 'web.de'])}",
        "user_id": f"{'_'.join(ascii_names)}_{digits}",
        "phone": f"({draw.choice([201, 212, 312, 415])}) {draw.randrange(200, 999)}-{draw.randrange(1000, 9999)}",
        "street": fake["en_US"].street_address().replace("\n", " "),
        "dob": fake.date_of_birth(minimum_age=18, maximum_age=90).isoformat(),
        "card": " ".join(card[at : at + 4] for at in range(0, 16, 4)),
        "last4": card[-4:],
        "iban": fake["de_DE"].iban(),
        "key": f"sk-proj-{''.join(draw.choices(string.ascii_letters + string.digits, k=48))}",
    }


def _talk(number: int, fake: Faker, draw: random.Random) -> Labelled:
    one, other = _person(fake, draw), _person(fake, draw)
    order, price, item = f"W{draw.randrange(10**7):07d}", f"{draw.randrange(1000, 9000) / 100:.2f}", "Desk Lamp"
    said = draw.choice(SAID).format(order=order, **one)
    profile: dict[str, Any] = {
        "user_id": one["user_id"],
        "name": {"first_name": one["first"], "last_name": one["last"]},
        "email": one["email"],
        "phone": one["phone"],
        "address": {"address1": one["street"], "city": "Springfield"},
        "dob": one["dob"],
        "payment": {"iban": one["iban"], "card": {"brand": "visa", "last_four": one["last4"]}},
        "travellers": [{"first_name": other["first"], "last_name": other["last"], "dob": other["dob"]}],
    }
    order_of = {"order_id": order, "items": [{"name": item, "price": float(price)}], "ordered_on": "2026-10-14"}
    debug = f"POST /orders Authorization: Bearer {one['key']} took 12 ms"
    turns = (
        _turn(
            0,
            said,
            Call(call_id="c0", tool="find_user", arguments={"user_id": one["user_id"]}, result=json.dumps(profile)),
            reply=f"Thank you, {one['name']}. Is {other['name']} travelling with you?",
        ),
        _turn(
            1,
            f"Yes, with {other['name']}, born on {other['dob']}. My id is {one['user_id']}.",
            Call(call_id="c1", tool="get_order", arguments={"order_id": order}, result=json.dumps(order_of)),
            Call(call_id="c2", tool="log", arguments={"text": debug}, result={"customer": {"full_name": one["name"]}}),
            reply=f"Order {order} is a {item} at {price} EUR, ordered on 2026-10-14; I will write to {one['email']}.",
        ),
    )
    talk = Conversation(
        id=f"s-{number}",
        user_id=one["user_id"],
        agent=Agent(name="desk", system_prompt="You are the desk of a shop. Refunds up to 50 EUR need no approval."),
        turns=turns,
    )
    values = {**one, "name_2": other["name"], "dob_2": other["dob"]}
    wanted = [(kind, value) for kind, value in values.items() if kind not in ("first", "last", "card")]
    if one["card"] in said:
        wanted.append(("card", one["card"]))
    return Labelled(talk, wanted, [order, price, item, "2026-10-14", "Springfield", "Refunds up to 50 EUR"])


def _turn(index: int, text: str, *calls: Call, reply: str) -> Turn:
    steps = (*(call.but(message=number) for number, call in enumerate(calls)), Say(text=reply, message=len(calls)))
    return Turn(index=index, user=UserLine(text=text), steps=steps, reply=reply)
