"""A Longline client: docs/protocol.md version 1, JSON encoding, over TCP, TLS or a unix socket."""

from .client import Client
from .connection import Connection, Disconnected, LonglineError
from .frames import FrameDecoder

__all__ = ["Client", "Connection", "Disconnected", "FrameDecoder", "LonglineError"]
