"""Types are learned by one thread at a time."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import threading
from taketwo.conversation import Conversation
from taketwo.verdict import CaseResult
text = Conversation(id="a").to_json()
gate = threading.Barrier(16)

def read():
    gate.wait()
    for _ in range(20):
        Conversation.from_json(text)
        try:
            CaseResult.from_json(b"{}")
        except Exception:
            pass

threads = [threading.Thread(target=read) for _ in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


def test_many_threads_that_read_a_type_for_the_first_time_do_not_crash_the_process() -> None:
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
