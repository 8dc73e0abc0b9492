"""How much the server takes at a time."""

from __future__ import annotations

from taketwo.value import Value

MIB = 1024 * 1024


class Limits(Value):
    """Bounds that keep one sender from taking the whole machine."""

    body_bytes: int = 64 * MIB
    """Largest request body, as sent and again after unpacking; what OTLP recommends."""
    bytes_in_flight: int = 256 * MIB
    """Bodies that are received or worked on at the same time; beyond that senders are told to come back."""
    requests_in_flight: int = 512
    """Requests that are received or worked on at the same time, whatever their size."""
    recording_bytes: int = 200 * MIB
    """Largest recording that a worker sends."""
    recordings_in_flight: int = 16
    """Recordings that come in at the same time; beyond that senders are told to come back."""
    recording_patience_s: float = 30.0
    """How long nothing of a recording may come before its sender is taken to be gone."""
    waiting_s: float = 3.0
    """How long a request may wait to come in, and again to be worked on: exporters wait 10 s for the whole of it."""
    reading_s: float = 0.1
    """How long a listing waits for what has come just now to be read; what is not read by then is not in it."""
    free_bytes: int = 256 * MIB
    """With less left on the store's disk the server is not ready; what there is room for it still takes."""
    retry_after_s: int = 1
    """After how many seconds they are told to."""
