"""A labelled set of made-up personal data in texts, JSON and tool results, for measuring what redaction finds."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterator
from typing import NamedTuple

from faker import Faker

from taketwo.value import JSON


class Labelled(NamedTuple):
    """A text, and what in it must go and must stay."""

    text: str
    secret: list[tuple[str, str]]
    """Kind and value of each thing that must go."""
    plain: list[str]
    """What looks like something and is nothing."""


def labelled(seed: int, count: int) -> Iterator[Labelled]:
    fake = Faker(["en_US", "en_GB", "de_DE", "fr_FR"])
    fake.seed_instance(seed)
    draw = random.Random(seed)
    for number in range(count):
        yield _FORMS[number % len(_FORMS)](fake, draw)


def _phone(fake: Faker, draw: random.Random) -> str:
    """As people of four countries write them; area codes with 9 in the middle are given to nobody."""
    while True:
        number = fake.phone_number().partition("x")[0].rstrip()
        digits = "".join(filter(str.isdecimal, number))
        american = digits.removeprefix("001") if digits.startswith("001") else digits[-10:]
        written = not number.isdecimal() and american[1] != "9" and not number.startswith("+999")
        if written and "." not in number[:2]:
            return str(number)


def _email(fake: Faker, draw: random.Random) -> str:
    return str(draw.choice([fake.free_email, fake.company_email])())


def _json(value: JSON, draw: random.Random) -> str:
    """As libraries write it: with or without escapes, compact or not."""
    separators = draw.choice([None, (",", ":")])
    return json.dumps(value, ensure_ascii=False, indent=draw.choice([None, 2]), separators=separators)


def _card(fake: Faker, draw: random.Random) -> str:
    number = fake.credit_card_number(draw.choice(["visa16", "mastercard", "amex", "discover"]))
    if len(number) == 16 and draw.random() < 0.6:
        return draw.choice([" ", "-"]).join(number[at : at + 4] for at in range(0, 16, 4))
    return str(number)


def _iban(fake: Faker, draw: random.Random) -> str:
    number = fake.iban()
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4)) if draw.random() < 0.5 else number


def _ssn(fake: Faker) -> str:
    return str(fake["en_US"].ssn())


def _key(draw: random.Random) -> str:
    def letters(count: int, of: str = string.ascii_letters + string.digits) -> str:
        return "".join(draw.choices(of, k=count))

    return draw.choice(
        [
            f"sk-proj-{letters(48)}",
            f"sk-ant-api03-{letters(95)}",
            f"AKIA{letters(16, string.ascii_uppercase + string.digits)}",
            f"AIza{letters(35)}",
            f"ghp_{letters(36)}",
            f"xoxb-{letters(12, string.digits)}-{letters(24)}",
            f"sk_live_{letters(24)}",
            f"hf_{letters(34)}",
            f"eyJ{letters(30)}.eyJ{letters(60)}.{letters(43)}",
            f"glpat-{letters(20)}",
        ]
    )


def _person(fake: Faker) -> tuple[str, str]:
    return fake.first_name(), fake.last_name()


def _said(fake: Faker, draw: random.Random) -> Labelled:
    mail, phone, number = _email(fake, draw), _phone(fake, draw), f"#W{draw.randrange(10**7):07d}"
    text = draw.choice(
        [
            f"Hi, you can write to {mail} or call {phone}. It is about order {number}.",
            f"My email's {mail}, phone {phone}; order {number}, please hurry!",
            f"order {number}\nemail: {mail}\nphone: {phone}",
        ]
    )
    return Labelled(text, [("email", mail), ("phone", phone)], [number])


def _paid(fake: Faker, draw: random.Random) -> Labelled:
    card, iban, ssn = _card(fake, draw), _iban(fake, draw), _ssn(fake)
    amount = f"{draw.randrange(10**6) / 100:.2f}"
    text = f"Charge {amount} EUR to {card}, not to {iban}. My SSN is {ssn}, ticket 2026-11-{draw.randrange(10, 30)}."
    return Labelled(text, [("card", card), ("iban", iban), ("ssn", ssn)], [amount])


def _looked_up(fake: Faker, draw: random.Random) -> Labelled:
    first, last = _person(fake)
    mail, phone, born, street = (
        _email(fake, draw),
        _phone(fake, draw),
        fake.date_of_birth().isoformat(),
        fake.street_address(),
    )
    street = street.replace("\n", " ")
    order, zip_code = f"W{draw.randrange(10**7):07d}", f"{draw.randrange(10**5):05d}"
    result: JSON = {
        "order_id": order,
        "customer": {"first_name": first, "last_name": last, "email": mail, "date_of_birth": born, "phone": phone},
        "shipping": {"street": street, "zip": zip_code},
        "items": [{"name": "Mechanical Keyboard", "price": 129.0, "item_id": str(draw.randrange(10**9, 10**10))}],
    }
    told = [
        ("name", first),
        ("name", last),
        ("email", mail),
        ("phone", phone),
        ("birth_date", born),
        ("address", street),
    ]
    return Labelled(_json(result, draw), told, [order, zip_code, "Mechanical Keyboard"])


def _in_messages(fake: Faker, draw: random.Random) -> Labelled:
    """JSON inside JSON: the arguments of a call are a text, and the user's line says the same without a key."""
    first, last = _person(fake)
    while min(len(first), len(last)) < 3:
        first, last = _person(fake)
    name, key = f"{first} {last}", _key(draw)
    messages = [
        {"role": "user", "content": f"It is booked for {name}, from {fake.ipv4_public()}."},
        {
            "role": "assistant",
            "tool_calls": [{"function": {"name": "find", "arguments": _json({"customer_name": name}, draw)}}],
        },
        {"role": "tool", "content": _json({"auth": {"api_key": key}, "status": "Checked in", "gate": "A-12"}, draw)},
    ]
    address = messages[0]["content"].rpartition("from ")[2].rstrip(".")  # type: ignore[attr-defined]  # a text
    return Labelled(
        _json(messages, draw), [("name", name), ("ip", address), ("secret", key)], ["Checked in", "A-12", "find"]
    )


def _logged(fake: Faker, draw: random.Random) -> Labelled:
    key, password = _key(draw), fake.password(length=12, special_chars=False)
    version = f"{draw.randrange(1, 9)}.{draw.randrange(40)}.{draw.randrange(9)}"
    text = draw.choice(
        [
            f"POST /v1/chat Authorization: Bearer {key} v{version}",
            f"connecting to postgres://app:{password}@db.internal:5432/shop with OPENAI_API_KEY={key}, v{version}",
            f"password={password} api_key: '{key}' release {version}",
        ]
    )
    secrets = [("secret", key), *([("secret", password)] if password in text else [])]
    return Labelled(text, secrets, [version])


def _nothing(fake: Faker, draw: random.Random) -> Labelled:
    """Texts of support without anything personal, full of numbers."""
    plain = draw.choice(
        [
            f"Flight HAT{draw.randrange(100, 400)} leaves at 2024-05-16T{draw.randrange(10, 24)}:22:33, gate B4.",
            f"Your tracking number is {draw.randrange(10**11, 10**12)} and arrives in {draw.randrange(2, 9)} days.",
            f"Item {draw.randrange(10**9, 10**10)} costs ${draw.randrange(1000)}.99, SKU {draw.randrange(1000)}-4.",
            f"Reservation {fake.lexify('??????').upper()} from {fake.date()} to {fake.date()}, total {draw.random()}.",
            json.dumps(
                {"name": "get_user", "description": fake.sentence(), "parameters": {"email": {"type": "string"}}}
            ),
            json.dumps(
                {
                    "usage": {"input_tokens": draw.randrange(10**5)},
                    "id": fake.uuid4(),
                    "created": draw.randrange(10**10),
                }
            ),
            fake.paragraph(),
        ]
    )
    return Labelled(plain, [], [plain])


_FORMS = (_said, _paid, _looked_up, _in_messages, _logged, _nothing)
