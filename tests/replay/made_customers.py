"""Seeded conversations of two more trades, with a known truth: customers with goals, agents that differ, a database.

A mail-order shop, whose writes give back whole records as text, and a telephone company, whose writes give back no more
than a new reference, and whose tools, arguments and ids look otherwise. Each task is one customer with his goals; each
trial is another agent, in another order, with other questions, looking up more or less, making mistakes.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, TypeAlias

from taketwo.conversation import Call, Conversation
from taketwo.testing import call, conversation, turn

TASKS, TRIALS = 10, 3
NAMES = ("Yusuf Rossi", "Mei Kovacs", "Ava Lopez", "Omar Davis", "Lei Johansson", "Noah Brown", "Ivan Santos")
STREETS = ("Elm Street", "Oak Avenue", "Highland Drive", "Cedar Lane", "Park Place")
GOODS = ("desk lamp", "water bottle", "hiking boots", "mechanical keyboard", "air purifier", "garden hose")
Records: TypeAlias = dict[str, dict[str, Any]]
Line: TypeAlias = tuple[str, list[Call], str]
"""What the user says, the calls that follow, the reply."""


class MailOrder:
    """Orders with ids such as `#W4817420`, items by number, payment methods, refunds."""

    def __init__(self, dice: random.Random) -> None:
        self.name = dice.choice(NAMES)
        first, last = self.name.lower().split()
        self.user = f"{first}_{last}_{dice.randint(1000, 9999)}"
        self.email = f"{first}.{last}{dice.randint(10, 99)}@example.com"
        self.zip = f"{dice.randint(10000, 99999)}"
        self.cards = [f"credit_card_{dice.randint(10**6, 10**7)}", f"paypal_{dice.randint(10**6, 10**7)}"]
        self.products = {str(dice.randint(10**9, 10**10)): kind for kind in GOODS}
        self.items: Records = {}
        for product, kind in self.products.items():
            for colour in ("black", "red", "blue"):
                item = str(dice.randint(10**9, 10**10))
                price = round(dice.uniform(20, 300), 2)
                self.items[item] = {"item_id": item, "product_id": product, "name": kind, "price": price}
                self.items[item]["options"] = {"colour": colour}
        self.orders: Records = {}
        for status in ("pending", "pending", "delivered", "delivered"):
            order = f"#W{dice.randint(10**6, 10**7)}"
            kinds = dice.sample(sorted(self.items), 3)
            self.orders[order] = {
                "order_id": order,
                "user_id": self.user,
                "address": {"street": f"{dice.randint(1, 999)} {dice.choice(STREETS)}", "zip": self.zip},
                "items": [{key: self.items[one][key] for key in ("item_id", "name", "price")} for one in kinds],
                "status": status,
                "payment_history": [{"payment_method_id": dice.choice(self.cards), "type": "payment"}],
            }
        self.address = {"street": "1 Elm Street", "zip": self.zip}

    def call(self, tool: str, **given: Any) -> Call:
        return call(tool, given, result=self._result(tool, given))

    def _result(self, tool: str, given: dict[str, Any]) -> str:
        order = self.orders.get(given.get("order_id", ""))
        match tool:
            case "find_user_id_by_email":
                return self.user if given["email"] == self.email else "Error: user not found"
            case "find_user_id_by_name_zip":
                return self.user if given["zip"] == self.zip else "Error: user not found"
            case "get_user_details":
                known = {"name": self.name, "email": self.email, "address": self.address, "orders": [*self.orders]}
                return json.dumps({"user_id": self.user, **known, "payment_methods": self.cards})
            case "get_product_details":
                mine = {key: one for key, one in self.items.items() if one["product_id"] == given["product_id"]}
                return json.dumps({"product_id": given["product_id"], "variants": mine})
            case "list_all_product_types":
                return json.dumps({kind: product for product, kind in self.products.items()})
            case "calculate":
                return str(round(eval(given["expression"]), 2))  # its own expressions
            case "transfer_to_human_agents":
                return "Transfer successful"
            case "modify_user_address":
                self.address = {"street": given["street"], "zip": given["zip"]}
                return self._result("get_user_details", given)
        if order is None:
            return "Error: order not found"
        return self._of_order(tool, given, order)

    def _of_order(self, tool: str, given: dict[str, Any], order: dict[str, Any]) -> str:
        wants = {"cancel": "pending", "modify": "pending", "return": "delivered", "exchange": "delivered"}
        wanted = wants.get(tool.split("_")[0])
        if wanted is not None and order["status"] != wanted:
            return f"Error: non-{wanted} order cannot be {tool.split('_')[0]}ed"
        match tool:
            case "cancel_pending_order":
                order |= {"status": "cancelled", "cancel_reason": given["reason"]}
                order["payment_history"] = [*order["payment_history"], {"type": "refund"}]
            case "modify_pending_order_address":
                order["address"] = {"street": given["street"], "zip": given["zip"]}
            case "modify_pending_order_payment":
                order["payment_history"] = [{"payment_method_id": given["payment_method_id"], "type": "payment"}]
            case "return_delivered_order_items":
                order |= {"status": "return requested", "return_items": given["item_ids"]}
            case "exchange_delivered_order_items":
                order |= {"status": "exchange requested", "exchange_items": given["item_ids"]}
                order["exchange_new_items"] = given["new_item_ids"]
        return json.dumps(order)


class Telephone:
    """Lines, packs, bills; camel case, nested arguments, `success: false`, and a reference made up for each write."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = random.Random(dice.random())
        self.name = dice.choice(NAMES)
        self.account = f"{dice.randint(100, 999)}-{dice.randint(10000, 99999)}"
        self.pin = f"{dice.randint(1000, 9999)}"
        self.lines: Records = {}
        for _ in range(3):
            number = f"+1 555 {dice.randint(100, 999)} {dice.randint(1000, 9999)}"
            key = f"L{dice.randint(10000, 99999)}"
            self.lines[key] = {"lineId": key, "msisdn": number, "state": "ACTIVE", "dataLeftMb": dice.randint(0, 900)}
            self.lines[key] |= {"roaming": False, "plan": dice.choice(["S", "M", "XL"])}
        self.bills = {f"2026-0{month}": round(dice.uniform(20, 90), 2) for month in range(1, 6)}

    def call(self, tool: str, **given: Any) -> Call:
        return call(tool, given, result=self._result(tool, given))

    def _result(self, tool: str, given: dict[str, Any]) -> Any:
        line = self.lines.get(given.get("lineId", ""), {})
        match tool:
            case "lookupCustomer":
                if given["credentials"] != {"account": self.account, "pin": self.pin}:
                    return {"success": False, "message": "account and pin do not match"}
                return {"accountNo": self.account, "holder": self.name, "lines": [*self.lines]}
            case "getLineStatus":
                return dict(line) if line else {"success": False, "message": f"no line {given['lineId']}"}
            case "fetchBill":
                month = given["period"]
                return {
                    "accountNo": self.account,
                    "period": month,
                    "total": self.bills.get(month, 0.0),
                    "currency": "EUR",
                }
            case "listPlans":
                return [{"plan": plan, "price": price} for plan, price in (("S", 9), ("M", 19), ("XL", 39))]
            case "runSpeedTest":
                return {"lineId": given["lineId"], "downMbps": round(self.dice.uniform(5, 200), 1)}
        return self._written(tool, given, line)

    def _written(self, tool: str, given: dict[str, Any], line: dict[str, Any]) -> dict[str, Any]:
        match tool:
            case "suspendLine" if line["state"] != "ACTIVE":
                return {"success": False, "message": "line is not ACTIVE"}
            case "suspendLine":
                line["state"] = "SUSPENDED"
            case "addDataPack":
                line["dataLeftMb"] += given["pack"]["mb"]
            case "setRoaming":
                line["roaming"] = given["roaming"]
            case "changePlan":
                line["plan"] = given["plan"]
        return {"success": True, "reference": f"REF-{self.dice.randint(10**7, 10**8)}"}


def shop_talk(task: int, trial: int) -> Conversation:
    """One customer of the shop with one agent."""
    goal, dice = random.Random(f"shop {task}"), random.Random(f"shop {task} {trial}")
    world = MailOrder(random.Random(f"shop world {task}"))
    return _talk("shop", task, trial, list(_shop_lines(world, goal, dice)))


def telephone_talk(task: int, trial: int) -> Conversation:
    """One customer of the telephone company with one agent."""
    goal, dice = random.Random(f"tel {task}"), random.Random(f"tel {task} {trial}")
    world = Telephone(random.Random(f"tel world {task}"))
    world.dice = random.Random(f"tel {task} {trial} chance")
    return _talk("tel", task, trial, list(_telephone_lines(world, goal, dice)))


def talks(trade: str) -> list[Conversation]:
    """All conversations of one trade."""
    made = {"shop": shop_talk, "tel": telephone_talk}[trade]
    return [made(task, trial) for task in range(TASKS) for trial in range(TRIALS)]


def _talk(trade: str, task: int, trial: int, lines: list[Line]) -> Conversation:
    made = conversation(
        *(turn(user, *calls, reply=reply) for user, calls, reply in lines), id=f"{trade}-{task}-{trial}"
    )
    # As a capture has it: nobody has said what writes.
    return made.but(agent=made.agent.but(tools=()), metadata={"task_id": f"{trade}-{task}"})


def _shop_lines(world: MailOrder, goal: random.Random, dice: random.Random) -> Iterator[Line]:
    pending = [key for key, one in world.orders.items() if one["status"] == "pending"]
    delivered = [key for key, one in world.orders.items() if one["status"] == "delivered"]
    aims = goal.sample(["cancel", "address", "payment", "return", "exchange"], 2)
    order = {aim: goal.choice(pending if aim in ("cancel", "address", "payment") else delivered) for aim in aims}
    opening = {
        "cancel": f"I'd like to cancel my order {order.get('cancel')}.",
        "address": f"I want to change the delivery address of order {order.get('address')}.",
        "payment": f"I need to change the payment method of order {order.get('payment')}.",
        "return": f"I want to return something from order {order.get('return')}.",
        "exchange": f"I'd like to exchange an item of order {order.get('exchange')}.",
    }
    hello = dice.choice(["Hi! ", "Hello, ", "Good morning. "])
    by_mail = dice.random() < 0.6
    asks = "your email address" if by_mail else "your full name and zip code"
    first = dice.choice([f"Could you please provide {asks}?", f"I can help with that. May I have {asks}?"])
    yield hello + opening[aims[0]], [], first
    if by_mail:
        found = [world.call("find_user_id_by_email", email=world.email)]
        identity = dice.choice([f"It's {world.email}.", f"My email is {world.email}"])
    else:
        names = world.name.split()
        found = [world.call("find_user_id_by_name_zip", first_name=names[0], last_name=names[1], zip=world.zip)]
        identity = dice.choice([f"My name is {world.name}, zip code {world.zip}.", f"{world.name}, {world.zip}"])
    if dice.random() < 0.7:
        found.append(world.call("get_user_details", user_id=world.user))
    for position, aim in enumerate(aims):
        if position:
            identity, found = (
                f"Yes, {opening[aim][0].lower() if opening[aim][1] != chr(39) else 'I'}{opening[aim][1:]}",
                [],
            )
        yield from _shop_aim(world, aim, order[aim], identity, found, goal, dice)
    thanks = dice.choice(["No, that's all. Thank you!", "No, thanks. Bye!", "That is everything, thank you."])
    yield thanks, [], dice.choice(["You're welcome! Have a great day.", "Happy to help. Goodbye!"])


def _shop_aim(
    world: MailOrder, aim: str, order: str, said: str, found: list[Call], goal: random.Random, dice: random.Random
) -> Iterator[Line]:
    looks = [world.call("get_order_details", order_id=order)]
    record = world.orders[order]
    item = goal.choice([one["item_id"] for one in record["items"]])
    reason, new = goal.choice(["no longer needed", "ordered by mistake"]), goal.choice([*world.items])
    street, card = f"{goal.randint(1, 99)} {goal.choice(STREETS)}", goal.choice(world.cards)
    name = world.items[item]["name"]
    if aim == "exchange" or dice.random() < 0.2:
        looks.append(world.call("get_product_details", product_id=world.items[item]["product_id"]))
    one = {"item_ids": [item], "payment_method_id": card}
    cause, place = {"reason": reason}, {"street": street, "zip": world.zip}
    ask, answer, tool, given = {
        "cancel": ("What is the reason?", f"It was {reason}.", "cancel_pending_order", cause),
        "address": ("What is the new address?", f"{street}, same zip code.", "modify_pending_order_address", place),
        "payment": (
            "Which payment method would you like to use?",
            f"Please use {card}.",
            "modify_pending_order_payment",
            {"payment_method_id": card},
        ),
        "return": ("Which item would you like to return?", f"The {name}.", "return_delivered_order_items", one),
        "exchange": (
            "Which item would you like to exchange, and for what?",
            f"The {name}, for item {new}.",
            "exchange_delivered_order_items",
            {**one, "new_item_ids": [new]},
        ),
    }[aim]
    yield said, [*found, *looks], dice.choice([ask, f"Thank you, I have found it. {ask}"])
    more = []
    if dice.random() < 0.4:
        expression = " + ".join(str(one["price"]) for one in record["items"])
        more.append(world.call("calculate", expression=expression))
    confirm = f"To confirm, you want me to go ahead with the {aim} for order {order}. Is that correct? (yes/no)"
    yield answer, more, confirm
    done = []
    if dice.random() < 0.25:
        wrong = next(key for key in world.orders if key != order)
        done.append(world.call(tool, order_id=wrong, **given))
    done.append(world.call(tool, order_id=order, **given))
    if dice.random() < 0.5:
        done.append(world.call("get_order_details", order_id=order))
    if dice.random() < 0.2:
        done.append(world.call("get_user_details", user_id=world.user))
    if dice.random() < 0.1:
        summary = f"The customer {world.name} asked about {order} for the {dice.randint(1, 9)}. time and wants a person"
        done.append(world.call("transfer_to_human_agents", summary=summary))
    yield (
        dice.choice(["Yes, please.", "Yes, go ahead.", "Yes, that's correct."]),
        done,
        (
            dice.choice(["That is done. ", "Your request has been completed. "])
            + "Is there anything else I can help you with?"
        ),
    )


def _telephone_lines(world: Telephone, goal: random.Random, dice: random.Random) -> Iterator[Line]:
    line = goal.choice([*world.lines])
    aims = goal.sample(["suspend", "data", "roaming", "plan", "trouble", "bill"], 3)
    mb, plan, month = goal.choice([500, 1000, 2000]), goal.choice(["S", "M", "XL"]), goal.choice([*world.bills])
    wants = {
        "suspend": f"My phone was stolen, please suspend line {line}.",
        "data": f"I need {mb} MB more data on line {line}.",
        "roaming": f"Please switch on roaming for line {line}.",
        "plan": f"I want to move line {line} to plan {plan}.",
        "trouble": f"I have no reception at home on line {line}.",
        "bill": f"How much was my bill for {month}?",
    }
    yield (
        dice.choice(["Hi. ", "Hello! ", ""]) + wants[aims[0]],
        [],
        dice.choice(
            ["Could you give me your account number and PIN?", "First I need your account number and your PIN."]
        ),
    )
    credentials = {"account": world.account, "pin": world.pin}
    said = dice.choice([f"Account {world.account}, PIN {world.pin}.", f"{world.account} and the PIN is {world.pin}"])
    calls = [world.call("lookupCustomer", credentials=credentials)]
    for position, aim in enumerate(aims):
        if position:
            said, calls = wants[aim], []
        if dice.random() < 0.6 and aim != "bill":
            calls.append(world.call("getLineStatus", lineId=line))
        if dice.random() < 0.3:
            calls.append(world.call("runSpeedTest", lineId=line))
        if aim == "plan" and dice.random() < 0.6:
            calls.append(world.call("listPlans"))
        if aim != "bill" and dice.random() < 0.7:
            yield said, calls, f"I will do that for line {line} now. Shall I go ahead?"
            said, calls = dice.choice(["Yes please.", "Yes, go ahead."]), []
        calls += _telephone_calls(world, aim, line, mb, plan, month, dice)
        yield said, calls, dice.choice(["Done. ", "That is arranged. "]) + "Anything else?"
    yield dice.choice(["No, that's all, thanks.", "No thank you, bye."]), [], "Goodbye!"


def _telephone_calls(
    world: Telephone, aim: str, line: str, mb: int, plan: str, month: str, dice: random.Random
) -> Iterator[Call]:
    tool, given = {
        "suspend": ("suspendLine", {"lineId": line}),
        "data": ("addDataPack", {"lineId": line, "pack": {"mb": mb, "validDays": 30}}),
        "roaming": ("setRoaming", {"lineId": line, "roaming": True}),
        "plan": ("changePlan", {"lineId": line, "plan": plan}),
        "trouble": (
            "openTrouble",
            {"lineId": line, "text": f"No reception at home, told us {dice.randint(2, 9)} times"},
        ),
        "bill": ("fetchBill", {"accountNo": world.account, "period": month}),
    }[aim]
    yield world.call(tool, **given)
    if aim != "bill" and dice.random() < 0.5:
        yield world.call("getLineStatus", lineId=line)
