"""Changes that can be taken back: what comes late is read as if it had come in its time."""

from __future__ import annotations

from typing import Any, TypeVar

Key = TypeVar("Key")
Item = TypeVar("Item")


class Ledger:
    """Every change that was made through it, in order."""

    def __init__(self, touched: set[int] | None = None) -> None:
        """`touched` is told the identities of what is changed, both ways."""
        self._touched = touched if touched is not None else set()
        self._undo: list[tuple[Any, ...]] = []
        """Functions, each with its arguments."""

    def change(self, thing: object, name: str, value: object) -> None:
        """Give an attribute another value."""
        self._undo.append((Ledger._set, self, thing, name, getattr(thing, name)))
        self._set(thing, name, value)

    def append(self, thing: object, name: str, item: object) -> None:
        """Add something at the end of a list that is an attribute."""
        getattr(thing, name).append(item)
        self._touched.add(id(thing))
        self._undo.append((Ledger._pop, self, thing, name))

    def put(self, mapping: dict[Key, Item], key: Key, value: Item) -> None:
        """Put something under a key, in place of what is there."""
        if key in mapping:
            self._undo.append((dict.__setitem__, mapping, key, mapping[key]))
        else:
            self._undo.append((dict.__delitem__, mapping, key))
        mapping[key] = value

    def add(self, some: set[Item], item: Item) -> None:
        """Add something to a set."""
        if item not in some:
            some.add(item)
            self._undo.append((set.remove, some, item))

    def take_back(self) -> None:
        """Make everything what it was before."""
        while self._undo:
            undo, *arguments = self._undo.pop()
            undo(*arguments)

    def _set(self, thing: object, name: str, value: object) -> None:
        setattr(thing, name, value)
        self._touched.add(id(thing))

    def _pop(self, thing: object, name: str) -> None:
        getattr(thing, name).pop()
        self._touched.add(id(thing))
