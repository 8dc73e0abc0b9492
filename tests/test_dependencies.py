"""What Take Two brings along: since which versions, under which licences, and whether its audit tells the truth."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FOR_USERS = {name: given for name, given in PROJECT["optional-dependencies"].items() if not name.startswith("dev")}

PERMISSIVE = re.compile(
    r"MIT(-0)?( License)?|(3-Clause )?BSD( License|-2-Clause|-3-Clause)?|0BSD|Apache( Software License|-2\.0)|"
    r"ISC( License \(ISCL\))?|PSF-2\.0|Python Software Foundation License|CNRI-Python|Zlib|CC0-1\.0"
)
WEAK_COPYLEFT = re.compile(
    r"Mozilla Public License 2\.0 \(MPL 2\.0\)|MPL-2\.0|LGPL-2\.1-or-later|LGPL-3\.0-only|"
    r"GNU Lesser General Public License v2 or later \(LGPLv2\+\)"
)
"""Whoever changes these libraries themselves gives the change away; whoever uses them need not."""


def given(*requirements: str) -> list[Requirement]:
    return [one for one in map(Requirement, requirements) if canonicalize_name(one.name) != "taketwo"]


def brought_along(*requirements: str) -> Iterator[tuple[str, str]]:
    """Every installed package that these bring, with its licence; a package that is not installed says nothing."""
    waiting, seen = given(*requirements), set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name in seen:
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        said = found.metadata
        classifiers = [
            one.rpartition(":: ")[2] for one in said.get_all("Classifier") or () if one.startswith("License")
        ]
        yield (
            name,
            said.get("License-Expression")
            or "; ".join(classifiers)
            or (said.get("License") or "nothing").partition("\n")[0],
        )
        for needed in map(Requirement, found.requires or ()):
            extras = {"", *wanted.extras}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)


def parts(licence: str) -> list[str]:
    return [
        part.strip("() ") if part.count("(") != part.count(")") else part
        for part in re.split(r"; | AND | OR ", licence)
    ]


@pytest.mark.parametrize("extra", ["", *FOR_USERS])
def test_every_dependency_says_since_which_version_it_works(extra: str) -> None:
    for one in given(*(FOR_USERS[extra] if extra else PROJECT["dependencies"])):
        assert any(bound.operator in (">=", "==", "~=") for bound in one.specifier), f"{one} has no lower bound"


def test_a_plain_install_binds_nobody() -> None:
    found = dict(brought_along(*PROJECT["dependencies"]))
    assert len(found) > 8
    bound = {name: said for name, said in found.items() if not all(map(PERMISSIVE.fullmatch, parts(said)))}
    assert set(bound) <= {"certifi"}, bound  # a list of certificates


def test_no_extra_binds_who_only_uses_it() -> None:
    found = dict(brought_along(*(one for all in FOR_USERS.values() for one in all)))
    strange = {
        name: said
        for name, said in found.items()
        if not all(PERMISSIVE.fullmatch(part) or WEAK_COPYLEFT.fullmatch(part) for part in parts(said))
    }
    assert not strange


@pytest.mark.slow
def test_an_audit_that_could_not_ask_does_not_pass() -> None:
    pytest.importorskip("pip_audit")
    unreachable = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), "http://127.0.0.1:9")
    environment = {**os.environ, **unreachable, "NO_PROXY": "", "no_proxy": ""}
    command = [sys.executable, str(ROOT / ".ci" / "audit.py")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2 and done.stdout.startswith("NOT ASKED"), done
    tolerated = subprocess.run(
        [*command, "--offline-is-fine"], capture_output=True, text=True, env=environment, check=False
    )
    assert tolerated.returncode == 0 and tolerated.stdout.startswith("NOT ASKED"), tolerated
