"""Projects, which are named by their id or their name."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

from taketwo.errors import AlreadyThere, NotFound
from taketwo.sdk.api.projects import CreateProject, Project
from taketwo.server.flow.shelf import Flow
from taketwo.store.project import ProjectSettings


def project_id(name: str) -> str:
    """The id of a project: the same name gives the same id in every store."""
    return str(uuid5(NAMESPACE_URL, f"taketwo:project:{name}"))


def project_name(flow: Flow, given: str) -> str:
    """The name of the project that an id or a name means. Raises NotFound."""
    names = flow.store.projects()
    if given in names:
        return given
    found = next((name for name in names if project_id(name) == given), None)
    if found is None:
        known = ", ".join(names[:5]) or "there is none yet"
        raise NotFound(f"there is no project {given!r}", where="project_id", todo=f"there are: {known}")
    return found


def all_projects(flow: Flow) -> list[Project]:
    """Every project, by name."""
    return [_project(flow, name) for name in flow.store.projects()]


def one_project(flow: Flow, given: str) -> Project:
    """The project that an id or a name means. Raises NotFound."""
    return _project(flow, project_name(flow, given))


def create_project(flow: Flow, asked: CreateProject) -> Project:
    """Make a project before anything is captured in it. Raises AlreadyThere."""
    if asked.name in flow.store.projects():
        raise AlreadyThere(f"there is a project {asked.name!r} already", where="name", todo="choose another name")
    flow.store.set_project(asked.name, ProjectSettings(keep_for_days=asked.keep_for_days, redact=asked.redact))
    return _project(flow, asked.name)


def _project(flow: Flow, name: str) -> Project:
    settings = flow.store.project(name)
    return Project(id=project_id(name), name=name, keep_for_days=settings.keep_for_days, redact=settings.redact)
