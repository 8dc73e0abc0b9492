"""Asks whether a vulnerability is known in what is installed here; an answer that did not come is no good answer.

Ends with 0 where every package was looked up and nothing is known, 1 where something is, 2 where packages could not be
looked up. `--offline-is-fine` ends with 0 then, too, after the same lines: for machines that reach no such index.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

OURS = "taketwo"
WITHIN_S = 600


def main() -> int:
    wanted = sorted({(one.name.lower(), one.version) for one in distributions() if one.name.lower() != OURS})
    found, unasked = audited(wanted)
    for name, version, ids in found:
        print(f"VULNERABLE  {name} {version}: {', '.join(ids)}")
    if unasked:
        print(f"NOT ASKED  {len(unasked)} of {len(wanted)} packages, such as {unasked[0]}")
    if not found and not unasked:
        print(f"nothing is known against any of {len(wanted)} packages")
    if found:
        return 1
    return 2 if unasked and "--offline-is-fine" not in sys.argv else 0


def audited(wanted: list[tuple[str, str]]) -> tuple[list[tuple[str, str, list[str]]], list[str]]:
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
                timeout=WITHIN_S,
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
