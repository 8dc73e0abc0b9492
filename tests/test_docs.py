"""Documentation under test: what it names exists, and what exists is named."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from taketwo.cli.main import COMMANDS, taketwo
from taketwo.config import TABLES, Settings

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/*.md")])
COMMAND = re.compile(r"^\s*(?:\$ )?(taketwo [a-z].*?)(?:\s{2,}.*|#.*)?$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "command-line.md"], ids=lambda page: page.name)
def test_every_command_shown_is_one(page: Path) -> None:
    blocks = re.findall(r"```(?:sh|bash|console)?\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    for line in (found for block in blocks for found in COMMAND.findall(block)):
        words = shlex.split(line.rstrip("\\"), comments=True)
        if words[1].startswith("-"):
            continue
        assert words[1] in COMMANDS, line
        command = taketwo.get_command(click.Context(taketwo), words[1])
        assert command is not None
        if isinstance(command, click.Group):
            command = command.commands[words[2]]
        known = {name for parameter in command.params for name in parameter.opts} | {"--help", "-h"}
        assert {word.partition("=")[0] for word in words[2:] if word.startswith("--")} <= known, line


def test_the_page_of_the_command_line_is_what_the_commands_say() -> None:
    # In a process of its own: click keeps the help option of a command as it was first asked for.
    program = "import runpy, sys; sys.stdout.write(runpy.run_path('docs/make_command_line.py')['page']())"
    command = [sys.executable, "-X", "utf8", "-c", program]
    page = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, encoding="utf-8", check=True).stdout
    assert (REPOSITORY / "docs" / "command-line.md").read_text(encoding="utf-8") == page, "run `make docs`"


def test_every_setting_is_documented() -> None:
    text = (REPOSITORY / "docs" / "command-line.md").read_text(encoding="utf-8")
    known = {
        name: f"[tool.taketwo.{name}]" if name in TABLES else f"TAKETWO_{name.upper()}"
        for name in Settings.__struct_fields__
    }
    known["evaluators"] = "list `evaluators`"
    assert not [name for name, spelling in known.items() if spelling not in text]


def test_every_extra_is_known_to_doctor() -> None:
    from taketwo.cli.about import EXTRAS

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(EXTRAS) == set(project["optional-dependencies"]) - {"dev", "dev-slow"}


def test_every_module_and_folder_of_the_package_has_its_place_in_the_layers() -> None:
    contract = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ][0]
    layered = {name.strip() for layer in contract["layers"] for name in layer.split("|")}
    there = {
        path.stem
        for path in (REPOSITORY / "taketwo").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert there - {"__init__", "__main__"} == layered


def test_what_the_architecture_names_exists() -> None:
    text = (REPOSITORY / "ARCHITECTURE.md").read_text(encoding="utf-8")
    places = re.findall(r"`([a-z_]+/(?:[a-z_]+/)*(?:[a-z_]+\.py)?)`", text)
    assert places
    assert not [place for place in places if not (REPOSITORY / "taketwo" / place).exists()]
