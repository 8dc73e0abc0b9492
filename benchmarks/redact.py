"""How many conversations a second are redacted when they are kept: the labelled set of the tests."""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "suite"))
from made_conversations import labelled

from taketwo.capture.redact import redact_conversation
from taketwo.suite.promote import promoting_redactor


def main() -> None:
    """Print the rate of three rounds over 1,000 conversations, in time of one processor."""
    talks = [one.conversation for one in labelled(5, 1000)]
    size = sum(len(talk.to_json()) for talk in talks) / len(talks)
    for _ in range(3):
        redactor = promoting_redactor(os.urandom(32))
        began = time.process_time()
        for talk in talks:
            redact_conversation(talk, redactor)
        rate = len(talks) / (time.process_time() - began)
        print(f"{rate:7.0f} conversations of {size:.0f} bytes per second of one processor")
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
