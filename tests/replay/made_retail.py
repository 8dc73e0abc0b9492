"""Seeded talks of a retail desk with a real little database, as chat logs in OpenAI's form, errors as texts.

Each task is one customer with goals; each trial is another agent before a customer in another mood: other questions,
more or fewer look-ups, another order, mistakes that the tools refuse. The customers write as different people do:
terse, chatty, careless, formal; some give ids late, want several things, change their mind, refuse.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, TypeAlias

Message: TypeAlias = dict[str, Any]
Records: TypeAlias = dict[str, dict[str, Any]]

FIRST = ("Yusuf", "Mei", "Ava", "Omar", "Lei", "Noah", "Ivan", "Sofia", "Chen", "Fatima", "Harper", "Raj")
LAST = ("Rossi", "Kovacs", "Lopez", "Davis", "Johansson", "Brown", "Santos", "Ahmed", "Moore", "Khan", "Sanchez")
CITIES = (
    ("Austin", "TX"),
    ("Denver", "CO"),
    ("Seattle", "WA"),
    ("Chicago", "IL"),
    ("Boston", "MA"),
    ("Columbus", "OH"),
)
STREETS = ("Elm Street", "Oak Avenue", "Highland Drive", "Cedar Lane", "Park Place", "Maple Drive", "River Road")
GOODS: dict[str, dict[str, tuple[str, ...]]] = {
    "desk lamp": {"color": ("black", "silver", "white"), "brightness": ("low", "medium", "high")},
    "water bottle": {"capacity": ("500ml", "750ml", "1000ml"), "material": ("glass", "steel", "plastic")},
    "hiking boots": {"size": ("8", "9", "10", "11"), "material": ("leather", "synthetic")},
    "mechanical keyboard": {"switch": ("linear", "tactile", "clicky"), "backlight": ("RGB", "white", "none")},
    "smart thermostat": {
        "compatibility": ("Apple HomeKit", "Google Assistant", "Amazon Alexa"),
        "color": ("black", "white"),
    },
    "garden hose": {"length": ("25ft", "50ft", "100ft"), "color": ("green", "black", "blue")},
    "t-shirt": {"size": ("S", "M", "L", "XL"), "color": ("blue", "red", "purple")},
    "backpack": {"capacity": ("15L", "25L", "35L"), "color": ("navy", "grey", "green")},
}
REASONS = ("no longer needed", "ordered by mistake")


def catalogue() -> Records:
    """The products, the same for all customers."""
    dice = random.Random("retail catalogue")
    found: Records = {}
    for name, options in GOODS.items():
        product = f"{dice.randint(10**9, 10**10)}"
        variants: Records = {}
        for _ in range(6):
            item = f"{dice.randint(10**9, 10**10)}"
            chosen = {key: dice.choice(values) for key, values in options.items()}
            price = round(dice.uniform(20, 300), 2)
            variants[item] = {"item_id": item, "options": chosen, "available": dice.random() < 0.85, "price": price}
        found[product] = {"name": name, "product_id": product, "variants": variants}
    return found


class Desk:
    """Customers, orders, products and their variants."""

    def __init__(self, dice: random.Random) -> None:
        self.first, self.last = dice.choice(FIRST), dice.choice(LAST)
        self.user_id = f"{self.first}_{self.last}_{dice.randint(1000, 9999)}".lower()
        self.email = f"{self.first}.{self.last}{dice.randint(1000, 9999)}@example.com".lower()
        self.address = self.new_address(dice)
        kinds = dice.sample(("credit_card", "paypal", "gift_card"), 2)
        self.payments: Records = {}
        for source in kinds:
            key = f"{source}_{dice.randint(10**6, 10**7)}"
            extra = {"brand": "visa", "last_four": f"{dice.randint(1000, 9999)}"} if source == "credit_card" else {}
            self.payments[key] = {"source": source, "id": key, **extra}
            if source == "gift_card":
                self.payments[key]["balance"] = dice.randint(20, 400)
        self.products = catalogue()
        self.orders: Records = {}
        for status in ("pending", "pending", "delivered", "delivered", "processed"):
            order = f"#W{dice.randint(10**6, 10**7)}"
            items = [
                self._item(dice.choice(list(one["variants"])), one) for one in dice.sample([*self.products.values()], 2)
            ]
            self.orders[order] = {
                "order_id": order,
                "user_id": self.user_id,
                "address": dict(self.address),
                "items": items,
                "fulfillments": [] if status == "pending" else [{"tracking_id": [f"{dice.randint(10**11, 10**12)}"]}],
                "status": status,
                "payment_history": [
                    {
                        "transaction_type": "payment",
                        "amount": round(sum(one["price"] for one in items), 2),
                        "payment_method_id": dice.choice(list(self.payments)),
                    }
                ],
            }

    @staticmethod
    def new_address(dice: random.Random) -> dict[str, Any]:
        city, state = dice.choice(CITIES)
        return {
            "address1": f"{dice.randint(100, 999)} {dice.choice(STREETS)}",
            "address2": f"Suite {dice.randint(100, 999)}",
            "city": city,
            "country": "USA",
            "state": state,
            "zip": f"{dice.randint(10000, 99999)}",
        }

    def _item(self, item: str, product: dict[str, Any]) -> dict[str, Any]:
        one = product["variants"][item]
        known = {"name": product["name"], "product_id": product["product_id"], "item_id": item}
        return {**known, "price": one["price"], "options": one["options"]}

    def variant(self, item: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
        for product in self.products.values():
            if item in product["variants"]:
                return product, product["variants"][item]
        return None

    def call(self, tool: str, **given: Any) -> str:
        """What the tool gives: JSON or plain text; errors are texts, too."""
        return str(getattr(self, f"_{tool}")(**given))

    def _find_user_id_by_email(self, email: str) -> str:
        return self.user_id if email.lower() == self.email else "Error: user not found"

    def _find_user_id_by_name_zip(self, first_name: str, last_name: str, zip: str) -> str:
        same = (first_name.lower(), last_name.lower(), zip) == (
            self.first.lower(),
            self.last.lower(),
            self.address["zip"],
        )
        return self.user_id if same else "Error: user not found"

    def _get_user_details(self, user_id: str) -> str:
        if user_id != self.user_id:
            return "Error: user not found"
        name = {"first_name": self.first, "last_name": self.last}
        known = {"name": name, "address": self.address, "email": self.email}
        return json.dumps({**known, "payment_methods": self.payments, "orders": list(self.orders)})

    def _get_order_details(self, order_id: str) -> str:
        return json.dumps(self.orders[order_id]) if order_id in self.orders else "Error: order not found"

    def _get_product_details(self, product_id: str) -> str:
        return json.dumps(self.products[product_id]) if product_id in self.products else "Error: product not found"

    def _list_all_product_types(self) -> str:
        return json.dumps(
            {one["name"]: key for key, one in sorted(self.products.items(), key=lambda one: one[1]["name"])}
        )

    def _calculate(self, expression: str) -> str:
        return str(round(float(eval(expression)), 2))  # its own expressions

    def _think(self, thought: str) -> str:
        return ""

    def _transfer_to_human_agents(self, summary: str) -> str:
        return "Transfer successful"

    def _pending(self, order_id: str) -> str | None:
        if order_id not in self.orders:
            return "Error: order not found"
        return (
            None
            if self.orders[order_id]["status"].startswith("pending")
            else "Error: non-pending order cannot be modified"
        )

    def _cancel_pending_order(self, order_id: str, reason: str) -> str:
        if wrong := self._pending(order_id):
            return wrong.replace("modified", "cancelled")
        order = self.orders[order_id]
        if reason not in REASONS:
            return "Error: invalid reason"
        paid = order["payment_history"][0]
        order["payment_history"].append({**paid, "transaction_type": "refund"})
        order |= {"status": "cancelled", "cancel_reason": reason}
        return json.dumps(order)

    def _modify_pending_order_address(self, order_id: str, **address: str) -> str:
        if wrong := self._pending(order_id):
            return wrong
        self.orders[order_id]["address"] = address
        return json.dumps(self.orders[order_id])

    def _modify_user_address(self, user_id: str, **address: str) -> str:
        self.address = address
        return self._get_user_details(user_id)

    def _modify_pending_order_payment(self, order_id: str, payment_method_id: str) -> str:
        if wrong := self._pending(order_id):
            return wrong
        history = self.orders[order_id]["payment_history"]
        if history[-1]["payment_method_id"] == payment_method_id:
            return "Error: the new payment method should be different from the current one"
        history.append({**history[0], "payment_method_id": payment_method_id})
        return json.dumps(self.orders[order_id])

    def _modify_pending_order_items(
        self, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
    ) -> str:
        if wrong := self._pending(order_id):
            return wrong
        order = self.orders[order_id]
        for old, new in zip(item_ids, new_item_ids, strict=True):
            found = self.variant(new)
            if found is None or not found[1]["available"]:
                return f"Error: new item {new} not found or available"
            order["items"] = [self._item(new, found[0]) if one["item_id"] == old else one for one in order["items"]]
        order["status"] = "pending (item modified)"
        return json.dumps(order)

    def _return_delivered_order_items(self, order_id: str, item_ids: list[str], payment_method_id: str) -> str:
        order = self.orders.get(order_id)
        if order is None:
            return "Error: order not found"
        if order["status"] != "delivered":
            return "Error: non-delivered order cannot be returned"
        order |= {"status": "return requested", "return_items": item_ids, "return_payment_method_id": payment_method_id}
        return json.dumps(order)

    def _exchange_delivered_order_items(
        self, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
    ) -> str:
        order = self.orders.get(order_id)
        if order is None:
            return "Error: order not found"
        if order["status"] != "delivered":
            return "Error: non-delivered order cannot be exchanged"
        for new in new_item_ids:
            found = self.variant(new)
            if found is None or not found[1]["available"]:
                return f"Error: new item {new} not found or available"
        order |= {"status": "exchange requested", "exchange_items": item_ids, "exchange_new_items": new_item_ids}
        return json.dumps({**order, "exchange_payment_method_id": payment_method_id})


def one_line(address: dict[str, Any]) -> str:
    """An address as people write it."""
    return "{address1}, {address2}, {city}, {state} {zip}".format(**address)


class Goal:
    """One thing that the customer wants, and all that he knows of it."""

    def __init__(self, desk: Desk, dice: random.Random, taken: set[str]) -> None:
        self.kind = dice.choice(("cancel", "return", "exchange", "items", "address", "payment", "status"))
        status = "delivered" if self.kind in ("return", "exchange") else "pending"
        free = [one for one in desk.orders.values() if one["status"] == status and one["order_id"] not in taken]
        order = dice.choice(free) if free else next(one for one in desk.orders.values() if one["status"] == "processed")
        self.kind = self.kind if free else "status"
        self.order: str = order["order_id"]
        self.item = dice.choice(order["items"])
        product, _ = desk.variant(self.item["item_id"]) or ({}, {})
        self.product: str = product["product_id"]
        others = [one for key, one in product["variants"].items() if key != self.item["item_id"] and one["available"]]
        self.new = dice.choice(others) if others else None
        if self.kind in ("exchange", "items") and self.new is None:
            self.kind = "return" if self.kind == "exchange" else "cancel"
        self.reason = dice.choice(REASONS)
        self.payment = dice.choice(list(desk.payments))
        self.address = Desk.new_address(dice)
        self.changes_mind = dice.random() < 0.15
        taken.add(self.order)

    @property
    def wish(self) -> str:
        """What is different about the new variant."""
        assert self.new is not None
        return ", ".join(str(value) for value in self.new["options"].values())


def careless(text: str, dice: random.Random) -> str:
    """As typed in a hurry: no capitals, some letters swapped; what has digits or @ is pasted and stays."""
    words = []
    for word in text.lower().split(" "):
        letters = list(word)
        if len(word) > 5 and word.isalpha() and dice.random() < 0.2:
            at = dice.randrange(1, len(word) - 2)
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
        words.append("".join(letters))
    return " ".join(words).rstrip(".").replace("please", "pls").replace("you", "u").replace("#w", "#W")


class Customer:
    """Says what the customer of a task says, in the manner of this one."""

    def __init__(self, desk: Desk, goals: list[Goal], dice: random.Random, style: str) -> None:
        self.desk, self.goals, self.dice, self.style = desk, goals, dice, style

    def says(self, *ways: str) -> str:
        text = self.dice.choice(ways)
        match self.style:
            case "careless":
                return careless(text, self.dice)
            case "chatty":
                before = self.dice.choice(
                    ("Okay,", "Well,", "Umm,", "Sorry for the delay, the dog barked.", "Hi again.")
                )
                first = text[0].lower() if text[1:2].islower() else text[0]
                return f"{before} {first}{text[1:]}"
            case _:
                return text

    def opening(self) -> str:
        first, *more = self.goals
        wish = self.wish(first, names_order=self.dice.random() < 0.5)
        match self.style:
            case "terse":
                return wish
            case "chatty":
                later = "I have a few more things after that." if more else ""
                return f"Hi there! Hope you're having a good day. {wish} {later}".strip()
            case "formal":
                return f"Good afternoon. My name is {self.desk.first} {self.desk.last}. {wish}"
            case _:
                return careless(f"hey {wish}", self.dice)

    def wish(self, goal: Goal, *, names_order: bool) -> str:
        order, item = goal.order, goal.item["name"]
        of_order = f" in order {order}" if names_order else ""
        this_order = f"order {order}" if names_order else f"my order with the {item}"
        match goal.kind:
            case "cancel":
                ways = (
                    f"I'd like to cancel {this_order}.",
                    f"Please cancel {this_order}.",
                    f"Can you cancel {this_order} for me?",
                )
            case "return":
                ways = (
                    f"I want to return the {item}{of_order}.",
                    f"I need to send back the {item}{of_order}.",
                    f"The {item}{of_order} isn't for me, can I return it?",
                )
            case "exchange":
                ways = (
                    f"I'd like to exchange the {item}{of_order}.",
                    f"Can I swap the {item}{of_order} for a different one?",
                    f"I need a different {item}{of_order}, {goal.wish}.",
                )
            case "items":
                ways = (
                    f"I want to change the {item}{of_order} before it ships.",
                    f"Could you change the {item}{of_order} to {goal.wish}?",
                )
            case "address":
                ways = (
                    f"I need to change the shipping address for {this_order}.",
                    f"{this_order[0].upper()}{this_order[1:]} is going to the wrong place.",
                )
            case "payment":
                ways = (
                    f"I'd like to pay for {this_order} another way.",
                    f"Can I change the payment method of {this_order}?",
                )
            case _:
                ways = (
                    f"Where is {this_order}?",
                    f"What's the status of {this_order}?",
                    f"Could you check on {this_order}?",
                )
        return self.dice.choice(ways)

    def email(self) -> str:
        e = self.desk.email
        return self.says(f"It's {e}.", e, f"My email is {e}", f"Sure, {e}.", f"The email on the account should be {e}.")

    def name_zip(self) -> str:
        d = self.desk
        return self.says(
            f"{d.first} {d.last}, {d.address['zip']}",
            f"My name is {d.first} {d.last} and my zip code is {d.address['zip']}.",
            f"I'm {d.first} {d.last}, zip {d.address['zip']}.",
        )

    def identity(self, wanted: str) -> str:
        if (wanted == "either" and self.dice.random() < 0.5) or wanted == "email":
            return self.email()
        return self.name_zip()

    def no_email(self) -> str:
        return self.says(
            "I don't remember which email I used.",
            "No idea which email that is under, sorry.",
            "I can't recall my email.",
        )

    def order_id(self, goal: Goal) -> str:
        o = goal.order
        return self.says(f"It's {o}.", o, f"The order number is {o}.", f"Order {o}.", f"I think it's {o}")

    def no_order_id(self, goal: Goal) -> str:
        item = goal.item["name"]
        return self.says(
            f"I don't have the order number. It's the one with the {item}.",
            f"Not sure, the {item} one.",
            f"I don't know it, but it has a {item} in it.",
        )

    def reason(self, goal: Goal) -> str:
        if goal.reason == "no longer needed":
            return self.says("I no longer need it.", "No longer needed.", "Just don't need it anymore.")
        return self.says(
            "I ordered it by mistake.", "Ordered by mistake.", "It was a mistake, I clicked the wrong thing."
        )

    def variant(self, goal: Goal) -> str:
        return self.says(
            f"{goal.wish}, please.", f"I'd like the {goal.wish} one.", goal.wish, f"The one that is {goal.wish}."
        )

    def payment(self, goal: Goal) -> str:
        kind = self.desk.payments[goal.payment]["source"].replace("_", " ")
        return self.says(
            f"My {kind}.", f"Use {goal.payment}.", f"Please use my {kind}.", kind, f"The {kind}, {goal.payment}."
        )

    def address(self, goal: Goal) -> str:
        a = goal.address
        whole = one_line(a)
        return self.says(f"{whole}.", f"The new address is {whole}.", f"Send it to {whole} please.")

    def yes(self) -> str:
        return self.says(
            "Yes.",
            "Yes, please.",
            "Yes, go ahead.",
            "Correct, please proceed.",
            "Sounds good, yes.",
            "yep",
            "Yes, that's right.",
        )

    def no(self, goal: Goal) -> str:
        return self.says("No, leave it as it is.", "Actually no, I changed my mind.", "No, I'd rather keep it.")

    def more(self, goal: Goal) -> str:
        wish = self.wish(goal, names_order=self.dice.random() < 0.5)
        return self.dice.choice(
            (
                f"Yes, {wish[0].lower() if wish[1] != chr(39) and wish[:2] != 'I ' else wish[0]}{wish[1:]}",
                wish,
                f"One more thing. {wish}",
                f"Also, {wish}",
            )
        )

    def bye(self) -> str:
        return (
            self.says(
                "No, that's all. Thanks!",
                "That's everything, thank you.",
                "No thanks, bye",
                "Nope, all good. Thank you!",
            )
            + "###STOP###"
        )


class Agent:
    """One agent: how much it asks and looks up, and how it words it."""

    def __init__(self, desk: Desk, customer: Customer, dice: random.Random, trial: int) -> None:
        self.desk, self.customer, self.dice = desk, customer, dice
        self.wants = ("either", "either", "email", "either")[trial % 4]
        self.looks_at_all = trial % 4 in (1, 3)
        self.is_wordy = trial % 2 == 0
        self.thinks = trial % 4 == 3
        self.calls = 0
        self.messages: list[Message] = []
        self.known: set[str] = set()

    def user(self, text: str) -> None:
        self.messages.append({"role": "user", "content": text})

    def say(self, *ways: str) -> None:
        self.messages.append({"role": "assistant", "content": self.dice.choice(ways)})

    def call(self, tool: str, **given: Any) -> str:
        self.calls += 1
        id = f"call_{self.calls}"
        spaced = json.dumps(given) if self.is_wordy else json.dumps(given, separators=(",", ":"))
        asked = {"id": id, "type": "function", "function": {"name": tool, "arguments": spaced}}
        self.messages.append({"role": "assistant", "content": None, "tool_calls": [asked]})
        result = self.desk.call(tool, **given)
        self.messages.append({"role": "tool", "tool_call_id": id, "name": tool, "content": result})
        return result

    def talk(self) -> list[Message]:
        """The whole conversation."""
        self.user(self.customer.opening())
        self.identify()
        goals = list(self.customer.goals)
        for position, goal in enumerate(goals):
            self.serve(goal)
            if position + 1 < len(goals):
                self.say(
                    "Is there anything else I can help you with?",
                    "Anything else today?",
                    "Can I help you with anything else?",
                )
                self.user(self.customer.more(goals[position + 1]))
        self.say(
            "Is there anything else I can help you with?",
            "You're all set. Anything else?",
            "Let me know if there is anything else I can do for you!",
        )
        self.user(self.customer.bye())
        return self.messages

    def identify(self) -> None:
        c = self.customer
        match self.wants:
            case "email":
                self.say(
                    "Sure! Could you please provide the email address on your account?",
                    "I can help with that. What is your email?",
                    "To get started, may I have your email address?",
                )
            case "name":
                self.say(
                    "I'd be happy to help. Please give me your first and last name and your zip code.",
                    "May I have your name and zip code to verify your identity?",
                )
            case _:
                self.say(
                    "I can help you with that. To verify your identity, please provide your email,"
                    " or your first and last name with your zip code.",
                    "First I need to find your account: what's your email address?"
                    " Alternatively, your full name and zip code.",
                )
        if self.wants == "email" and c.dice.random() < 0.3:
            self.user(c.no_email())
            self.say(
                "No problem. Could I have your first name, last name and zip code instead?",
                "That's fine! Then please tell me your full name and your zip code.",
            )
            said = c.name_zip()
        else:
            said = c.identity(self.wants)
        self.user(said)
        d = self.desk
        if "@" in said:
            self.call("find_user_id_by_email", email=d.email)
        else:
            self.call("find_user_id_by_name_zip", first_name=d.first, last_name=d.last, zip=d.address["zip"])
        if self.looks_at_all or self.dice.random() < 0.6:
            self.call("get_user_details", user_id=d.user_id)
            self.known.add("user")

    def find_order(self, goal: Goal) -> None:
        if goal.order in str(self.messages[-20:]) and any(
            goal.order in (m["content"] or "") for m in self.messages if m["role"] == "user"
        ):
            self.call("get_order_details", order_id=goal.order)
            return
        self.say(
            "Thank you. Could you tell me the order number?",
            "Which order is it? Please give me the order ID.",
            f"Thanks, {self.desk.first}. What's the order ID for the order you're asking about?",
        )
        if self.customer.dice.random() < 0.6:
            self.user(self.customer.order_id(goal))
            self.call("get_order_details", order_id=goal.order)
            return
        self.user(self.customer.no_order_id(goal))
        if "user" not in self.known:
            self.call("get_user_details", user_id=self.desk.user_id)
            self.known.add("user")
        for order in self.desk.orders:
            self.call("get_order_details", order_id=order)
            if order == goal.order and not self.looks_at_all:
                break

    def serve(self, goal: Goal) -> None:
        self.find_order(goal)
        c, name = self.customer, goal.item["name"]
        if self.thinks:
            self.call("think", thought=f"The customer wants {goal.kind} for {goal.order}, I should check the policy.")
        match goal.kind:
            case "status":
                order = self.desk.orders[goal.order]
                self.say(
                    f"Your order {goal.order} is currently {order['status']}."
                    " Would you like to know anything more about it?",
                    f"It is {order['status']} and goes to {order['address']['city']}. Does that answer your question?",
                )
                self.user(
                    c.says(
                        "No, that's what I wanted to know.", "That's all I needed on that one.", "Okay, good to know."
                    )
                )
            case "cancel":
                self.say(
                    "What is the reason for the cancellation: no longer needed, or ordered by mistake?",
                    "May I ask why you want to cancel it?",
                )
                self.user(c.reason(goal))
                self.confirm(
                    goal,
                    f"cancel order {goal.order}, reason: {goal.reason}, and refund your original payment method",
                    "cancel_pending_order",
                    order_id=goal.order,
                    reason=goal.reason,
                )
            case "address":
                self.say(
                    "What is the new address, with street, city, state and zip code?",
                    "Sure. Please provide the full new shipping address.",
                )
                self.user(c.address(goal))
                a = goal.address
                self.confirm(
                    goal,
                    f"change the address of {goal.order} to {one_line(a)}",
                    "modify_pending_order_address",
                    order_id=goal.order,
                    **a,
                )
            case "payment":
                self.say(
                    "Which payment method would you like to use instead?",
                    f"You have these on file: {', '.join(self.desk.payments)}. Which one should it be?",
                )
                self.user(c.payment(goal))
                self.confirm(
                    goal,
                    f"charge {goal.payment} for {goal.order} instead",
                    "modify_pending_order_payment",
                    order_id=goal.order,
                    payment_method_id=goal.payment,
                )
            case "return":
                if self.dice.random() < 0.25:
                    self.call(
                        "return_delivered_order_items",
                        order_id=goal.order.replace("#", ""),
                        item_ids=[goal.item["item_id"]],
                        payment_method_id=goal.payment,
                    )
                self.say(
                    "How would you like to receive the refund?",
                    f"Which payment method should the refund for the {name} go to?",
                    "Where should I send the refund: the original payment method, or a gift card?",
                )
                self.user(c.payment(goal))
                self.confirm(
                    goal,
                    f"return the {name} (${goal.item['price']}) of {goal.order}, refund to {goal.payment}",
                    "return_delivered_order_items",
                    order_id=goal.order,
                    item_ids=[goal.item["item_id"]],
                    payment_method_id=goal.payment,
                )
            case _:
                self.change_item(goal)

    def change_item(self, goal: Goal) -> None:
        assert goal.new is not None
        c, name, tool = self.customer, goal.item["name"], "exchange_delivered_order_items"
        tool = tool if goal.kind == "exchange" else "modify_pending_order_items"
        if self.looks_at_all:
            self.call("list_all_product_types")
        self.call("get_product_details", product_id=goal.product)
        options = " and ".join(goal.new["options"])
        self.say(
            f"Which {options} would you like for the {name}?",
            f"Here are the available options for the {name}:\n{self.options(goal)}\n\nWhich one would you prefer?",
            f"What would you like the new {name} to be like ({options})?",
        )
        self.user(c.variant(goal))
        difference = f"{goal.new['price']} - {goal.item['price']}"
        if self.is_wordy:
            self.call("calculate", expression=difference)
        self.say(
            "Which payment method should I use for the price difference?",
            "How would you like to pay or be refunded the difference?",
        )
        self.user(c.payment(goal))
        self.confirm(
            goal,
            f"replace the {name} in {goal.order} with the {goal.wish} one, difference to {goal.payment}",
            tool,
            order_id=goal.order,
            item_ids=[goal.item["item_id"]],
            new_item_ids=[goal.new["item_id"]],
            payment_method_id=goal.payment,
        )

    def options(self, goal: Goal) -> str:
        variants = self.desk.products[goal.product]["variants"].values()
        return "\n".join(
            f"{number}. {', '.join(one['options'].values())}: ${one['price']}"
            for number, one in enumerate((one for one in variants if one["available"]), 1)
        )

    def confirm(self, goal: Goal, what: str, tool: str, **given: Any) -> None:
        c = self.customer
        self.say(
            f"I will {what}. Do you confirm (yes/no)?",
            f"Just to confirm: I'll {what}. Shall I proceed?",
            f"Here is what I'm going to do:\n- {what}\n\nPlease reply yes to go ahead.",
        )
        if goal.changes_mind:
            self.user(c.no(goal))
            self.say("No problem, I've left it as it is.", "Understood, nothing has been changed.")
            self.user(c.says("Great, thanks.", "Thank you.", "ok thanks"))
            return
        self.user(c.yes())
        result = self.call(tool, **given)
        if result.startswith("Error"):
            if self.is_wordy:
                self.call(
                    "transfer_to_human_agents", summary=f"The customer wanted to {what}, which failed with {result}"
                )
            self.say(
                "I'm sorry, that could not be done, so I have asked a colleague to look into it.",
                f"Unfortunately the system says: {result}",
            )
        elif self.looks_at_all:
            self.call("get_order_details", order_id=goal.order)
        if not result.startswith("Error"):
            self.say("Done! You'll receive an email shortly.", f"That is done: {goal.order} has been updated.")
        self.user(c.says("Great, thanks.", "Perfect.", "Thanks!", "ok"))


STYLES = ("terse", "chatty", "careless", "formal")


def records(tasks: int, trials: int) -> Iterator[dict[str, Any]]:
    """The lines of a chat log."""
    for task in range(tasks):
        for trial in range(trials):
            same = random.Random(f"retail {task}")
            desk = Desk(same)
            taken: set[str] = set()
            goals = [Goal(desk, same, taken) for _ in range(same.randint(1, 3))]
            dice = random.Random(f"retail {task} {trial}")
            if trial % 2:
                dice.shuffle(goals)
            customer = Customer(desk, goals, dice, STYLES[(task + (trial if task % 3 == 0 else 0)) % len(STYLES)])
            system = {"role": "system", "content": "# Retail agent policy\n\nAuthenticate the user first."}
            messages = [system, *Agent(desk, customer, dice, trial).talk()]
            yield {"id": f"retail-{task}-{trial}", "task_id": task, "trial": trial, "messages": messages}
