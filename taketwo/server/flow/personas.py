"""Personas: how users of synthetic rows speak."""

from __future__ import annotations

from taketwo.sdk.api.scenarios import CreatePersona, Persona, UpdatePersona
from taketwo.server.flow.changes import changed_fields
from taketwo.server.flow.projects import project_name
from taketwo.server.flow.shelf import Flow, Place, Shelf

PERSONAS = Shelf("persona", Persona, lambda one: one.id, lambda one: Place(project=one.project, key=one.name))


def create_persona(flow: Flow, asked: CreatePersona) -> Persona:
    """Keep a persona. Raises AlreadyThere."""
    made = Persona(
        id=flow.new_id(),
        project=project_name(flow, asked.project_id),
        name=asked.name,
        description=asked.description,
        traits=asked.traits,
        created_at=flow.now(),
    )
    PERSONAS.add(flow, made)
    return made


def update_persona(flow: Flow, id: str, asked: UpdatePersona) -> Persona:
    """Change a persona; rows that it speaks in stay as they are. Raises NotFound, AlreadyThere."""
    return PERSONAS.change(flow, id, lambda one: one.but(**changed_fields(asked)))


def delete_persona(flow: Flow, id: str) -> None:
    """Delete a persona. Raises NotFound."""
    PERSONAS.get(flow, id)
    PERSONAS.remove(flow, id)
