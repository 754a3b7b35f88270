"""One connection to a gateway, from its dial to its end: questions and their answers, heartbeats, the goodbye.

Refuses to reconnect: `Client` does. What is no answer goes to `on_message`, in the order in which it came.
"""

import asyncio
import contextlib
import itertools
import json
import ssl
from collections.abc import Callable
from typing import Any

from .frames import HEARTBEAT, FrameDecoder, frame

MAX_INBOUND_BYTES = 1024 * 1024  # protocol.md, section 1: server to client
FIRST_OUTBOUND_BYTES = 16 * 1024  # ... and client to server until `connected` tells the limit
READ_BYTES = 64 * 1024
CONNECT_SECONDS = 10.0
LATEST_HEARTBEAT = 1.11  # ... section 3: intervals after which a server may still send it, jitter and lateness included
CLOSE_SECONDS = 2.0
REPEAT_SECONDS = 0.5  # where the server does not say how long to wait

Message = dict[str, Any]


class LonglineError(Exception):
    """An `error` message. A service function raises it too, to refuse a request with a code of its own."""

    def __init__(self, code: int, message: str, retry: bool = False, wait_ms: int | None = None) -> None:
        super().__init__(f"{code} {message}")
        self.code, self.message, self.retry, self.wait_ms = code, message, retry, wait_ms

    @classmethod
    def of(cls, message: Message) -> "LonglineError":
        return cls(message["code"], message["message"], message.get("retry", False), message.get("waitMs"))


class Disconnected(ConnectionError):
    """The connection is over, and what was asked on it may or may not have happened. `bye` is the server's last word."""

    def __init__(self, reason: str, bye: Message | None = None) -> None:
        super().__init__(reason)
        self.bye = bye


def read_message(body: bytes) -> Message:
    """The object that a body is. Raises ValueError for everything else: the connection is then worth nothing."""
    message = json.loads(body.decode("utf-8"))
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ValueError("a body that is no message")
    return message


def write_message(message: Message) -> bytes:
    """The body of a message."""
    return json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


class Connection:
    """Made by `dial`; lives on the event loop that made it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
                 on_message: Callable[[Message], None]) -> None:
        self._reader, self._writer, self._on_message = reader, writer, on_message
        self._loop = asyncio.get_running_loop()
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Message]] = {}
        self._frame_bytes, self._patience = FIRST_OUTBOUND_BYTES, CONNECT_SECONDS
        self._room_at, self._pause = 0.0, 0.0
        self.closed: asyncio.Future[Disconnected] = self._loop.create_future()
        self._reading = self._loop.create_task(self._read())
        self._reading.add_done_callback(self._end)

    @classmethod
    async def dial(cls, on_message: Callable[[Message], None], *, host: str, port: int, unix: str | None = None,
                   tls: ssl.SSLContext | None = None) -> "Connection":
        dialling = asyncio.open_unix_connection(unix) if unix else asyncio.open_connection(host, port, ssl=tls)
        return cls(*await asyncio.wait_for(dialling, CONNECT_SECONDS), on_message)

    def start(self, type: str, **fields: Any) -> tuple[int, asyncio.Future[Message]]:
        """Sends a question, and gives its id and its answer. Fields that are None are left out, but for `data`."""
        id = next(self._ids)
        given = {name: value for name, value in fields.items() if value is not None or name == "data"}
        self.send({"type": type, "id": id, **given})
        answer = self._asked[id] = self._loop.create_future()
        # Whoever has given up does not look at it any more.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        return id, answer

    async def ask(self, type: str, **fields: Any) -> Message:
        """Sends a question and waits for its answer; raises `LonglineError` or `Disconnected`."""
        return await self.start(type, **fields)[1]

    def send(self, message: Message) -> None:
        """Nothing waits for the socket: who asks waits for the answer, so callers bound what is under way."""
        if self.closed.done():
            raise self.closed.result()
        body = write_message(message)
        if len(body) > self._frame_bytes:
            raise ValueError(f"a message of {len(body)} bytes: the server takes {self._frame_bytes}")
        self._writer.write(frame(body))

    def again(self, error: LonglineError, ask: Callable[[], object]) -> None:
        """Calls that later, if the connection lives: the server has refused it for now."""
        now = self._loop.time()
        at = now + REPEAT_SECONDS
        if error.wait_ms is not None:
            # Then there is room for one: whoever hammers is sent away (bye 4300), so all that wait do so in a line.
            at = self._room_at = max(now + error.wait_ms / 1000, self._room_at + self._pause)
        self._loop.call_at(at, lambda: self.closed.done() or ask())

    async def close(self) -> None:
        """Closes after what was sent has left; everybody still waiting gets `Disconnected`."""
        self._reading.cancel()
        await asyncio.wait([self.closed])
        with contextlib.suppress(OSError, TimeoutError):  # a peer that reads no more, or is gone, loses the rest
            await asyncio.wait_for(self._writer.wait_closed(), CLOSE_SECONDS)

    async def _read(self) -> Disconnected:
        decoder = FrameDecoder(MAX_INBOUND_BYTES)
        try:
            while chunk := await asyncio.wait_for(self._reader.read(READ_BYTES), self._patience):
                for body in decoder.push(chunk):
                    if (bye := self._receive(body)) is not None:
                        return Disconnected(f"bye {bye['code']} {bye['message']}", bye)
                if decoder.failure is not None:
                    return Disconnected(decoder.failure)
            return Disconnected("the server closed" if decoder.is_empty else "the server closed inside a frame")
        except TimeoutError:
            return Disconnected(f"nothing heard for {self._patience} s")
        except (OSError, ValueError, KeyError, TypeError) as fault:
            return Disconnected(f"connection lost: {fault!r}")

    def _receive(self, body: bytes) -> Message | None:
        """Handles one body, and gives the bye if it is one."""
        if not body:
            self._writer.write(HEARTBEAT)
            self._on_message({"type": "heartbeat"})
            return None
        message = read_message(body)
        type, id = message["type"], message.get("id")
        if type == "bye":
            return message
        if type == "connected":
            heartbeat = message["heartbeat"]
            limits = message["limits"]
            self._frame_bytes = limits["frameBytes"]
            # Of the rate a tenth is left for whatever else is asked.
            self._pause = 1.1 / (limits.get("commandsPerSecond") or 1_000)
            self._patience = (heartbeat["intervalMs"] * LATEST_HEARTBEAT + heartbeat["timeoutMs"]) / 1000
        # A request has an id of the server's own.
        answer = None if type in ("request", "cancel") else self._asked.pop(id, None)
        # What concerns a channel is heard in order, so that it goes there even if it is an answer.
        if answer is None or type == "subscribed" or type == "unsubscribed":
            self._on_message(message)
        if answer is not None and not answer.done():
            if type == "error":
                answer.set_exception(LonglineError.of(message))
            else:
                answer.set_result(message)
        return None

    def _end(self, reading: asyncio.Task[Disconnected]) -> None:
        ended = Disconnected("closed here") if reading.cancelled() else reading.result()
        self.closed.set_result(ended)
        self._writer.close()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(ended)
