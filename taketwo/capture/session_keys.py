"""Under which names senders write the id of a session."""

from __future__ import annotations

SESSION_KEYS: tuple[str, ...] = (
    "session.id",
    "gen_ai.conversation.id",
    "langfuse.session.id",
    *(f"traceloop.association.properties.{name}" for name in ("session_id", "thread_id", "conversation_id", "chat_id")),
    *(f"ai.telemetry.metadata.{name}" for name in ("sessionId", "threadId", "conversationId", "chatId")),
    *(f"ai.telemetry.metadata.{name}" for name in ("session_id", "thread_id", "conversation_id")),
    *(f"ai.settings.context.{name}" for name in ("sessionId", "threadId", "conversationId", "chatId", "session_id")),
    *(f"mastra.metadata.{name}" for name in ("sessionId", "threadId", "conversationId", "session_id")),
    *(f"langsmith.metadata.{name}" for name in ("session_id", "thread_id", "conversation_id")),
    *(f"langfuse.{place}.metadata.langfuse_session_id" for place in ("observation", "trace")),
    "gcp.vertex.agent.session_id",
    "conversation.id",
    "group_id",
    "metadata",
    "mlflow.trace.session",
    "mlflow.traceTag.mlflow.trace.session",
    "voltagent.conversation_id",
    "session_id",
    "thread_id",
    "conversation_id",
    "metadata.session_id",
    "metadata.thread_id",
    "llm.invocation_parameters",
    "lk.job_id",
    "lk.room_name",
    "lk.pii.room_name",
)
"""Attributes that name a session, the surest first."""

IN_JSON = ("metadata", "llm.invocation_parameters")
"""Those that hold the id inside of JSON: in any metadata, and the conversation that OpenAI's Responses API keeps."""
