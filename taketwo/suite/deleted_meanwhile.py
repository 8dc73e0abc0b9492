"""What is deleted while it is replayed: whoever deleted a conversation meant the results that came after, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from taketwo.errors import NotFound
from taketwo.store import Store
from taketwo.suite.suite_case import SuiteCase


@contextmanager
def deleted_meanwhile(store: Store, cases: Sequence[SuiteCase]) -> Iterator[None]:
    """At the end delete the results of those conversations that were in the store at the beginning and are gone.

    A deletion that comes later finds them by itself. Raises StoreUnavailable.
    """
    named: dict[str, set[str]] = {}
    for one in cases:
        named.setdefault(one.case.recorded.project, set()).update((one.case.recorded.id, *one.case.also_of()))
    there = {project: store.captured(ids, project) for project, ids in named.items()}
    try:
        yield
    finally:
        if any(there.values()):
            store.flush()
        for project, ids in there.items():
            for gone in ids - store.captured(ids, project):
                with suppress(NotFound):
                    store.delete_session(gone, project)
