"""How fast and in how little memory large files are read: `python benchmarks/imports.py [--mib N] [SAMPLE…]`.

Each sample of the tests is written again and again with other ids until the file is large enough, and read in a
process of its own. Nothing is stored, so the figures are those of reading alone.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from machine import describe

SAMPLES = Path(__file__).resolve().parent.parent / "tests" / "data" / "imports"
NAMES = (
    "phoenix-dataframe.jsonl",
    "langfuse-observations.jsonl",
    "langfuse-observations.csv",
    "langfuse-traces.json",
    "langsmith-runs.jsonl",
    "openai-responses-chain.jsonl",
    "openai-responses-stateless.jsonl",
    "sharegpt.json",
    "tau-bench.json",
    "openai-chat.jsonl",
)
READ = """
import sys
from pathlib import Path
from taketwo.capture.imports import Unread, read_file
found = unread = 0
for item in read_file(Path(sys.argv[1])):
    found += max(1, len(getattr(item, "spans", ())))
    unread += isinstance(item, Unread)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(found, unread, int(peak.split()[1]))
"""

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_IDENTITY = re.compile(rf'\b(?:[0-9a-f]{{32}}|[0-9a-f]{{16}}|{_UUID}|resp_\d{{4}}|acme-1)\b|"task_id": 3')


class Figures(NamedTuple):
    """What the reading of one file took."""

    mib: float
    found: int
    unread: int
    seconds: float
    peak_mib: float


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--mib", type=int, default=256, help="size of each file in MiB")
    arguments.add_argument("names", nargs="*", metavar="SAMPLE", help=", ".join(NAMES))
    given = arguments.parse_args()
    print(describe())
    print(f"{'sample':34} {'MiB':>6} {'read':>9} {'unread':>7} {'seconds':>8} {'MiB/s':>6} {'peak MiB':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for name in given.names or NAMES:
            found = measure(Path(folder), name, given.mib)
            print(
                f"{name:34} {found.mib:6.0f} {found.found:9,} {found.unread:7,} {found.seconds:8.1f} "
                f"{found.mib / found.seconds:6.1f} {found.peak_mib:9.0f}",
                flush=True,
            )


def measure(folder: Path, name: str, mib: int) -> Figures:
    """Write a large file of the sample's build, and read it in a process of its own."""
    path = folder / f"large{Path(name).suffix}"
    write_large(path, (SAMPLES / name).read_text(encoding="utf-8"), mib * 2**20)
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - begin
    found, unread, peak_kib = map(int, done.stdout.split())
    return Figures(path.stat().st_size / 2**20, found, unread, seconds, peak_kib / 1024)


def write_large(path: Path, text: str, size: int) -> None:
    """The sample over and over: arrays as one array, CSV with one line of names."""
    head, body, between, tail = "", text, "", ""
    if path.suffix == ".json":
        head, body, between, tail = "[", json.dumps(json.loads(text))[1:-1], ",\n", "]"
    elif path.suffix == ".csv":
        head, newline, body = text.partition("\n")
        head += newline
    with path.open("w", encoding="utf-8") as file:
        file.write(head)
        for number, copy in enumerate(copies(body)):
            file.write(between + copy if number else copy)
            if number % 64 == 0 and file.tell() > size:
                break
        file.write(tail)


def copies(text: str) -> Iterator[str]:
    """The text again and again, every time with other ids that hold together in the same way."""
    pieces, names = _IDENTITY.split(text), _IDENTITY.findall(text)
    digits = {name: f"{number:03x}" for number, name in enumerate(dict.fromkeys(names))}
    for copy in itertools.count(1):
        renamed = [_renamed(name, digits[name], copy) for name in names]
        yield "".join(itertools.chain.from_iterable(itertools.zip_longest(pieces, renamed, fillvalue="")))


def _renamed(name: str, digits: str, copy: int) -> str:
    """A name of the same form for that copy."""
    if name.startswith("resp_"):
        return f"{name}_{copy}"
    if name in {"acme-1", '"task_id": 3'}:
        return f"{name}{copy}"
    made = (f"{copy:013x}{digits}" * 2)[: len(name.replace("-", ""))]
    return made if "-" not in name else f"{made[:8]}-{made[8:12]}-{made[12:16]}-{made[16:20]}-{made[20:32]}"


if __name__ == "__main__":
    main()
