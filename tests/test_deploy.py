"""What deploy/ says is there, and says what the command line knows."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
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


def test_an_image_is_built_of_all_that_a_wheel_is_made_of_and_of_nothing_else() -> None:
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "*"
    let_in = {line[1:] for line in lines if line.startswith("!")}
    with (DEPLOY.parent / "pyproject.toml").open("rb") as file:
        told = tomllib.load(file)
    built = told["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert let_in == {
        "pyproject.toml",
        told["project"]["readme"],
        *told["project"]["license-files"],
        *built["packages"],
        str(Path(built["hooks"]["custom"]["path"]).with_name("*.py")),
        "frontend/package*.json",
    }


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    systemd = shutil.which("systemd-analyze")
    if systemd is None:
        pytest.skip("systemd-analyze is not installed: apt-get install systemd")
    unit = (DEPLOY / "taketwo.service").read_text(encoding="utf-8")
    (tmp_path / "taketwo.service").write_text(unit.replace("/opt/taketwo/bin/taketwo serve", "/bin/true serve"))
    command = [systemd, "verify", str(tmp_path / "taketwo.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "taketwo.service" in done.stderr) == (0, False), done.stderr


def test_the_commands_that_are_started_exist() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    unit.read(DEPLOY / "taketwo.service", encoding="utf-8")
    program, *arguments = unit["Service"]["ExecStart"].split()
    assert Path(program).name == "taketwo"
    shown = CliRunner().invoke(taketwo, [*arguments, "--help"])
    assert shown.exit_code == 0
    assert "--host" in shown.output  # which the Dockerfile gives
