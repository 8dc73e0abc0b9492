"""The file of a repository that accepted contracts live in."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from taketwo.errors import ScenarioUnreadable
from taketwo.evals.contracts import Contract, ContractsFile, contract_in_words
from taketwo.freeze.typed import Misplaced, typed, untyped
from taketwo.freeze.yaml_reader import line_of, parse
from taketwo.freeze.yaml_writer import yaml_text
from taketwo.report.documents import replace_file

CONTRACTS_FILE = "taketwo.contracts.yaml"
"""Its name; where it stands, every replay that is begun there checks it."""


def read_contracts(path: Path) -> tuple[Contract, ...]:
    """The accepted contracts; none where there is no such file. Raises ScenarioUnreadable naming file and line."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ScenarioUnreadable(f"cannot be read: {error.strerror}", where=str(path)) from error
    document = parse(content, str(path))
    try:
        found: ContractsFile = typed(document, ContractsFile)
    except Misplaced as error:
        line = line_of(document, list(error.path))
        raise ScenarioUnreadable(f"a contract {error.what}", where=f"{path}:{line}", todo=error.todo) from error
    return found.contracts


def write_contracts(path: Path, contracts: Iterable[Contract]) -> None:
    """Keep these contracts, in an order that does not depend on when each was accepted."""
    kept = sorted(dict.fromkeys(contracts), key=contract_in_words)
    text = "# What always holds: checked on every replay. See docs/contracts.md.\n"
    replace_file(path, (text + yaml_text(untyped(ContractsFile(contracts=tuple(kept))))).encode("utf-8"))
