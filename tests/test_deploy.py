"""What deploy/ says is there, and says what the command line knows."""

from __future__ import annotations

import configparser
from pathlib import Path

import yaml
from click.testing import CliRunner

from taketwo.cli.main import taketwo
from taketwo.store.addresses import for_process, postgres_address

DEPLOY = Path(__file__).parents[1] / "deploy"


def test_the_compose_file_builds_what_the_dockerfile_describes() -> None:
    (service,) = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"].values()
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
    ports = {port.split(":")[1] for port in service["ports"]}
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert ports == set(next(line for line in lines if line.startswith("EXPOSE")).split()[1:])


def test_the_compose_file_with_a_database_names_it_and_holds_no_password() -> None:
    services = yaml.safe_load((DEPLOY / "compose.postgresql.yaml").read_text(encoding="utf-8"))["services"]
    ours, database = services["taketwo"]["environment"], services["database"]["environment"]
    address = postgres_address(ours["TAKETWO_STORE"])
    assert address.where == f"postgresql://{database['POSTGRES_USER']}@database/{database['POSTGRES_DB']}"
    assert address.blobs.startswith("/data/")
    assert for_process(address.url)[1] == {}
    assert ours["PGPASSWORD"] == database["POSTGRES_PASSWORD"]


def test_the_commands_that_are_started_exist() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    unit.read(DEPLOY / "taketwo.service", encoding="utf-8")
    program, *arguments = unit["Service"]["ExecStart"].split()
    assert Path(program).name == "taketwo"
    shown = CliRunner().invoke(taketwo, [*arguments, "--help"])
    assert shown.exit_code == 0
    assert "--host" in shown.output  # which the Dockerfile gives
