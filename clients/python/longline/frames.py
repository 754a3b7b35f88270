"""Cuts bytes into frames and makes frames of bodies (protocol.md, section 1). Knows no message and no socket."""

import struct

HEADER = struct.Struct(">I")
HEARTBEAT = HEADER.pack(0)


class FrameDecoder:
    """The bytes of one connection on their way to bodies. An empty body is a heartbeat."""

    def __init__(self, max_frame_bytes: int) -> None:
        self.max_frame_bytes = max_frame_bytes
        #: Why no frame can follow: the length in a header is over the limit.
        self.failure: str | None = None
        self._buffer = bytearray()

    def push(self, chunk: bytes) -> list[bytes]:
        """The bodies that this chunk completes, up to a `failure`."""
        if self.failure is not None:
            return []
        self._buffer += chunk
        bodies, start = [], 0
        while len(self._buffer) - start >= HEADER.size:
            (length,) = HEADER.unpack_from(self._buffer, start)
            if length > self.max_frame_bytes:
                self.failure = f"a frame of {length} bytes came, {self.max_frame_bytes} is the limit"
                break
            end = start + HEADER.size + length
            if len(self._buffer) < end:
                break
            bodies.append(bytes(self._buffer[start + HEADER.size : end]))
            start = end
        del self._buffer[:start]
        return bodies

    @property
    def is_empty(self) -> bool:
        """Whether the bytes so far end between two frames."""
        return not self._buffer


def frame(body: bytes) -> bytes:
    """The body with its length before it."""
    return HEADER.pack(len(body)) + body
