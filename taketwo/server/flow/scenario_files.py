"""Scenarios as the files of a user's repository, and back: what is kept on the server and in files stays the same."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from taketwo.blobs import content_hash, is_name
from taketwo.blobs.folder import FolderBlobs
from taketwo.errors import BadSetting, ScenarioUnreadable
from taketwo.freeze.files import load
from taketwo.scenario import Scenario
from taketwo.sdk.api.scenarios import GraphScenario
from taketwo.server.flow.keeping import archive, kept_files
from taketwo.server.flow.projects import project_name
from taketwo.server.flow.scenarios import SCENARIOS, as_file, keep_file
from taketwo.server.flow.shelf import Flow
from taketwo.voice.recordings import AUDIO_FOLDER, Recordings, names_of

MOST_UNPACKED: Final = 256 * 1024 * 1024
"""Bytes that an archive may hold when it is unpacked."""
MOST_FILES: Final = 20_000
NAMED: Final = (".scenario.yaml", ".scenario.yml")


def download(flow: Flow, id: str, *, is_redacted: bool) -> tuple[str, bytes]:
    """Name and content of an archive with the scenario file and all that it refers to.

    Raises NotFound, WrongState, PromotionRefused, LeakFound.
    """
    name, files = kept_files(as_file(flow, id), flow.store, is_redacted=is_redacted)
    return f"{name.removesuffix(NAMED[0])}.zip", archive(files)


def upload(flow: Flow, project: str, content: bytes) -> GraphScenario:
    """Keep the scenario of an archive or of a single file. Raises NotFound, ScenarioUnreadable, AlreadyThere."""
    name = project_name(flow, project)
    return keep_file(flow, name, read(content, Recordings([flow.store.recordings(name)])))


def replace(flow: Flow, id: str, content: bytes) -> GraphScenario:
    """Put the rows of a file in place of those that are there; rows of the same name keep their ids."""
    scenario = SCENARIOS.get(flow, id)
    recordings = Recordings([flow.store.recordings(scenario.project)])
    return keep_file(flow, scenario.project, read(content, recordings), id=id)


def read(content: bytes, recordings: Recordings | None = None) -> Scenario:
    """The scenario in an archive, or in a file by itself. Raises ScenarioUnreadable, BadSetting.

    recordings: where the sound of its calls is kept.
    """
    with tempfile.TemporaryDirectory() as folder:
        if zipfile.is_zipfile(io.BytesIO(content)):
            path = _unpacked(content, Path(folder))
        else:
            path = Path(folder) / f"upload{NAMED[0]}"
            path.write_bytes(content)
        try:
            scenario = load(path)
            if recordings is not None:
                _keep_sound(scenario, FolderBlobs(path.parent / AUDIO_FOLDER), recordings)
            return scenario
        except ScenarioUnreadable as error:
            # Where it lay for a moment is nobody's business.
            where = (error.where or "").replace(f"{folder}/", "")
            raise ScenarioUnreadable(error.what.replace(folder, ""), where=where, todo=error.todo) from error


def _keep_sound(scenario: Scenario, beside: FolderBlobs, recordings: Recordings) -> None:
    for name in dict.fromkeys(name for case in scenario.cases for name in names_of(case.recorded)):
        # What is called by another hash than its own is nobody's recording.
        if is_name(name) and (body := beside.get(name)) is not None and content_hash(body) == name:
            recordings.keep(body)


def _unpacked(content: bytes, folder: Path) -> Path:
    """The scenario file of an archive, unpacked with what lies beside it."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > MOST_UNPACKED:
                raise BadSetting("the archive is too large", where="body", todo="split the scenario")
            # `extract` keeps every file inside the folder, whatever its name says.
            paths = [Path(archive.extract(entry, folder)) for entry in entries]
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as error:
        raise BadSetting(f"the archive cannot be unpacked: {error}", where="body") from error
    found = [path for path in paths if path.name.endswith(NAMED)]
    if len(found) != 1:
        raise BadSetting(f"the archive holds {len(found)} *.scenario.yaml files", where="body", todo="one is needed")
    return found[0]
