"""The process beside the server that reads, packs and stores what is sent.

Started as `python -m taketwo.server.worker URL LIMITS LOGS`, the limits and the form of logs as JSON.
Reading a body of 60 MiB keeps Python's lock for whole seconds; in a process of its own it keeps nobody else waiting.
Requests come in on stdin and answers go out on stdout, as frames. It ends when stdin does, after finishing what it has.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import BinaryIO

import msgspec

from taketwo.errors import StoreUnavailable, TakeTwoError
from taketwo.server.answers import refused
from taketwo.server.burst import Burst
from taketwo.server.frames import ABORT, BEGIN, END, HEAD, PIECE, READY, FrameKind, frame
from taketwo.server.intake import Delivery, take, too_late
from taketwo.server.limits import MIB, Limits
from taketwo.server.logs import LogForm, write_logs
from taketwo.server.quotas import Quotas
from taketwo.store import Store, open_store
from taketwo.store.journal import Journal
from taketwo.store.tables import TableStore

THREADS = 8
"""Requests at the same time: while some wait for the disk others are read, and those that wait share its fsync."""

QUIET_S = 1.0
"""After so long without a request, what came is read into conversations, so that nobody has to wait for that later."""

LONGEST_WAIT_S = 5.0
"""Where it is never quiet, what came is read after so long all the same: what is not read is not found."""

SETTLED_AT_ONCE = 5
"""How many conversations are read before looking again whether requests have come."""

LULL_S = 0.2
"""Where requests come while it is read, it goes on when none has come for so long."""

REST = 4
"""Where requests do not cease, so many times as long as it took is rested: they come first."""

GARBAGE_THRESHOLDS = (20_000, 5, 2)
"""As `gc.set_threshold` takes them: spans are many objects, and to look for circles among them as often as Python does
by itself takes a fifth of all time. Sessions that were read are circles, so that to look seldom fills the memory."""

_log = logging.getLogger("taketwo.server.worker")


def main() -> None:
    """Serve frames until stdin ends."""
    for reaches_the_whole_group in (signal.SIGINT, signal.SIGTERM):
        signal.signal(reaches_the_whole_group, signal.SIG_IGN)  # the server says when to end
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that prints may get between the frames
    write_logs(LogForm.from_json(sys.argv[3]))
    try:
        store = open_store(sys.argv[1])
    except TakeTwoError as error:
        sys.exit(str(error))
    limits = Limits.from_json(sys.argv[2])
    arrived, ended = Event(), Event()
    arrived.set()  # the process before may have left something
    settling = Thread(target=settle_when_quiet, args=(store, arrived, ended), name="taketwo-settling", daemon=True)
    settling.start()
    burst = _burst(store, arrived)
    work(store, limits, os.fdopen(os.dup(0), "rb", buffering=MIB), answers, arrived, burst)
    if burst is not None:
        burst.close()
    ended.set()
    arrived.set()
    settling.join()
    store.close()


def _burst(store: Store, arrived: Event) -> Burst | None:
    """For a store that has a place for a journal; Windows lacks the locks."""
    if not isinstance(store, TableStore) or store.arrivals is None or os.name != "posix":
        return None
    return Burst(store, Journal(store.arrivals), on_stored=arrived.set, may_wait=store.may_lie_as_it_came)


def settle_when_quiet(
    store: Store, arrived: Event, ended: Event, *, quiet_s: float = QUIET_S, longest_s: float = LONGEST_WAIT_S
) -> None:
    """Read what came into conversations when nothing comes, and now and then also while it does, until `ended`."""
    while not ended.is_set():
        arrived.wait()
        until = time.monotonic() + longest_s
        while arrived.is_set() and not ended.is_set() and time.monotonic() < until:
            arrived.clear()
            ended.wait(quiet_s)
        # What cannot be written now is tried again after the next request, and read without it as long.
        with suppress(StoreUnavailable):
            _settle(store, arrived, ended, longest_s)


def _settle(store: Store, arrived: Event, ended: Event, longest_s: float) -> None:
    """Read all that came. While requests come it waits, and goes on between rests where they do not cease."""
    came = False
    busy_since = 0.0
    while not ended.is_set():
        begin = time.monotonic()
        if not store.settle(SETTLED_AT_ONCE):
            if came:  # what came may not have been stored yet
                arrived.set()
            return
        if not arrived.is_set():
            busy_since = 0.0
            continue
        came, took = True, time.monotonic() - begin
        busy_since = busy_since or time.monotonic()
        while arrived.is_set() and time.monotonic() < busy_since + longest_s and not ended.is_set():
            arrived.clear()
            ended.wait(LULL_S)
        arrived.clear()
        ended.wait(REST * took)


def work(
    store: Store, limits: Limits, requests: BinaryIO, answers: BinaryIO, arrived: Event, burst: Burst | None
) -> None:
    """Take requests until there are no more, and wait for the last answer; sets `arrived` for each of them."""
    lock, quotas = Lock(), Quotas(store)

    def send(request: int, kind: FrameKind, content: bytes = b"") -> None:
        with lock:
            answers.write(frame(request, kind, content))
            answers.flush()

    def answer(request: int, delivery: Delivery, body: bytes, until: float) -> None:
        try:
            late = time.monotonic() > until
            done = too_late(delivery, limits) if late else take(store, delivery, body, limits, quotas, burst)
        except Exception as error:  # whatever it was, the sender must get an answer
            _log.exception("a request failed")
            done = refused(500, f"internal error: {error!r}", delivery.content_type)
        send(request, END, msgspec.msgpack.encode(done))

    send(0, READY)
    open_requests: dict[int, tuple[Delivery, bytearray]] = {}
    with ThreadPoolExecutor(THREADS, "taketwo-intake") as threads:
        while len(head := requests.read(HEAD.size)) == HEAD.size:
            request, kind, length = HEAD.unpack(head)
            content = requests.read(length)
            arrived.set()
            if kind == BEGIN:
                open_requests[request] = (Delivery.from_json(content), bytearray())
            elif kind == PIECE:
                open_requests[request][1].extend(content)
            elif kind == END:
                delivery, body = open_requests.pop(request)
                threads.submit(answer, request, delivery, bytes(body), time.monotonic() + limits.waiting_s)
            elif kind == ABORT:
                del open_requests[request]


if __name__ == "__main__":
    main()
