"""Asks whether a vulnerability is known in what is installed here; an answer that did not come is no good answer.

Ends with 0 where every package was looked up and nothing is known, 1 where something is, 2 where packages could not be
looked up. `--offline-is-fine` ends with 0 then, too, after the same lines: for machines that reach no such index.
`--once-a-day` asks nothing where the same packages were looked up today and nothing was known.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import distributions
from pathlib import Path

OURS = "taketwo"
WITHIN_S = 600
IN_PASSING_S = 120
"""So long where it is no harm that nobody answers."""
LATELY = Path(sys.prefix) / ".audited"
"""Which packages were looked up last, on what day, and with what result."""


def main() -> int:
    wanted = sorted({(one.name.lower(), one.version) for one in distributions() if one.name.lower() != OURS})
    today = f"{datetime.now(UTC).date()} {sha256(repr(wanted).encode()).hexdigest()}"
    before = LATELY.read_text(encoding="utf-8").splitlines() if LATELY.exists() else []
    if "--once-a-day" in sys.argv and before[:1] == [today]:
        print(*before[1:], sep="\n")
        return 0
    offline_is_fine = "--offline-is-fine" in sys.argv
    found, unasked = audited(wanted, IN_PASSING_S if offline_is_fine else WITHIN_S)
    for name, version, ids in found:
        print(f"VULNERABLE  {name} {version}: {', '.join(ids)}")
    if found:
        return 1
    result = f"nothing is known against any of {len(wanted)} packages"
    if unasked:
        result = f"NOT ASKED  {len(unasked)} of {len(wanted)} packages, such as {unasked[0]}"
    print(result)
    if unasked and not offline_is_fine:
        return 2
    if "--once-a-day" in sys.argv:
        LATELY.write_text(f"{today}\n{result} (asked earlier today)\n", encoding="utf-8")
    return 0


def audited(wanted: list[tuple[str, str]], within_s: float) -> tuple[list[tuple[str, str, list[str]]], list[str]]:
    """What is known, and what could not be asked, each with the reason."""
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder) / "requirements.txt"
        pinned.write_text("".join(f"{name}=={version}\n" for name, version in wanted), encoding="utf-8")
        command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps", "--format", "json"]
        try:
            done = subprocess.run(
                [*command, "--progress-spinner", "off", "--requirement", str(pinned)],
                capture_output=True,
                text=True,
                check=False,
                timeout=within_s,
            )
            told = json.loads(done.stdout)["dependencies"]
        except (subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
            return [], [f"{name} {version}: the audit did not answer ({error!r})" for name, version in wanted]
    # It says itself that all is well when it has looked up nothing at all: what it passed over counts as not asked.
    looked_up = {one["name"].lower().replace("_", "-"): one for one in told if "skip_reason" not in one}
    reasons = {one["name"].lower().replace("_", "-"): one["skip_reason"] for one in told if "skip_reason" in one}
    found, unasked = [], []
    for name, version in wanted:
        key = name.replace("_", "-").replace(".", "-")
        if (one := looked_up.get(key) or looked_up.get(name)) is None:
            unasked.append(f"{name} {version}: {reasons.get(key) or reasons.get(name) or 'it was left out'}")
        elif one["vulns"]:
            found.append((name, version, [each["id"] for each in one["vulns"]]))
    return found, unasked


if __name__ == "__main__":
    sys.exit(main())
