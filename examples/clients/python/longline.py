#!/usr/bin/env python3
"""A Longline client in one file: docs/protocol.md version 1, JSON encoding, over TCP, TLS or a unix socket.

Refuses to reconnect and to mend holes: it hands over `offset` and `previous`, and after a `bye` the caller decides.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import logging
import ssl
import struct
import sys
from collections.abc import Awaitable, Callable
from typing import Any

HEADER = struct.Struct(">I")
HEARTBEAT = HEADER.pack(0)
MAX_INBOUND_BYTES = 1024 * 1024  # protocol.md, section 1: server to client
FIRST_OUTBOUND_BYTES = 16 * 1024  # ... and client to server until `connected` tells the limit
CONNECT_SECONDS = 10.0
CLOSE_SECONDS = 2.0
OF_A_CHANNEL = frozenset({"subscribed", "publication", "gap", "presenceChanged", "unsubscribed"})

Message = dict[str, Any]
log = logging.getLogger("longline")


class LonglineError(Exception):
    """An `error` message. A service function raises it too, to refuse a request with a code of its own."""

    def __init__(self, code: int, message: str, retry: bool = False) -> None:
        super().__init__(f"{code} {message}")
        self.code, self.message, self.retry = code, message, retry


class Disconnected(ConnectionError):
    """The connection is over; `bye` is the server's last word, None if it went without one."""

    def __init__(self, reason: str, bye: Message | None = None) -> None:
        super().__init__(reason)
        self.bye = bye


class Client:
    """One connection. Made by `connect`; lives on the event loop that made it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, on_event: Callable) -> None:
        self._reader, self._writer, self._on_event = reader, writer, on_event
        self._loop = asyncio.get_running_loop()
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Message]] = {}
        self._listeners: dict[str, Callable[[Message], None]] = {}
        self._services: dict[str, Callable[[Any], Awaitable[Any]]] = {}
        self._answering: dict[int, asyncio.Task[None]] = {}
        self._frame_bytes, self._patience = FIRST_OUTBOUND_BYTES, CONNECT_SECONDS
        self.connected: Message = {}  # the server's `connected`, with its limits and the session
        self._closed: asyncio.Future[Disconnected] = self._loop.create_future()
        self._reading = self._loop.create_task(self._read())
        self._reading.add_done_callback(self._end)

    @classmethod
    async def connect(cls, host: str = "127.0.0.1", port: int = 7557, *, unix: str | None = None,
                      tls: ssl.SSLContext | None = None, token: str | None = None,
                      on_event: Callable[[Message], None] = lambda message: None) -> "Client":
        """Dials and greets. `on_event` hears what answers no question: notices, stray errors, heartbeats."""
        dial = asyncio.open_unix_connection(unix) if unix else asyncio.open_connection(host, port, ssl=tls)
        client = cls(*await asyncio.wait_for(dial, CONNECT_SECONDS), on_event)
        try:
            await client._ask("connect", version=1, token=token, client={"name": "longline.py", "version": "1"})
        except BaseException:
            await client.close()
            raise
        return client

    async def subscribe(self, channel: str, listener: Callable[[Message], None], **options: Any) -> Message:
        """`listener` hears all that concerns the channel, in order: `subscribed`, each `publication`, each `gap`."""
        if channel in self._listeners:
            raise LonglineError(105, f"already subscribed to {channel}")
        self._listeners[channel] = listener
        try:
            return await self._ask("subscribe", channel=channel, **options)
        except BaseException:
            self._listeners.pop(channel, None)
            raise

    async def unsubscribe(self, channel: str) -> Message:
        """The listener hears `unsubscribed` last, here and when the server decides it."""
        return await self._ask("unsubscribe", channel=channel)

    async def publish(self, channel: str, data: Any, *, key: str | None = None, tags: dict[str, str] | None = None,
                      echo: bool | None = None) -> Message:
        """Returns `published`. After a lost connection publish again with the same `key`: it counts once."""
        return await self._ask("publish", channel=channel, data=data, key=key, tags=tags, echo=echo)

    async def request(self, service: str, data: Any, timeout_ms: int | None = None) -> Any:
        """Returns the responder's data. Cancelling the task that waits cancels the request as well."""
        id, answer = self._start("request", service=service, data=data, timeoutMs=timeout_ms)
        try:
            return (await answer)["data"]
        except asyncio.CancelledError:
            if not self._closed.done():
                self._send({"type": "cancel", "id": id})
            raise

    async def serve(self, service: str, function: Callable[[Any], Awaitable[Any]]) -> Message:
        """Answers requests with `await function(data)`, each in a task that a `cancel` from the server cancels."""
        self._services[service] = function
        return await self._ask("serve", service=service)

    async def unserve(self, service: str) -> Message:
        """Requests under way are still answered."""
        self._services.pop(service, None)
        return await self._ask("unserve", service=service)

    async def wait_closed(self) -> Disconnected:
        """Returns why the connection ended, when it has."""
        return await asyncio.shield(self._closed)

    async def close(self) -> None:
        """Closes after what was sent has left; everybody still waiting gets `Disconnected`."""
        self._reading.cancel()
        await self.wait_closed()
        with contextlib.suppress(OSError, TimeoutError):  # a peer that reads no more, or is gone, loses the rest
            await asyncio.wait_for(self._writer.wait_closed(), CLOSE_SECONDS)

    # Nothing waits for the socket: who asks waits for the answer, so callers bound what is under way.
    def _start(self, type: str, **fields: Any) -> tuple[int, asyncio.Future[Message]]:
        id = next(self._ids)
        given = {name: value for name, value in fields.items() if value is not None or name == "data"}
        self._send({"type": type, "id": id, **given})
        answer = self._asked[id] = self._loop.create_future()
        return id, answer

    async def _ask(self, type: str, **fields: Any) -> Message:
        return await self._start(type, **fields)[1]

    def _send(self, message: Message) -> None:
        if self._closed.done():
            raise Disconnected("the connection is closed")
        body = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        if len(body) > self._frame_bytes:
            raise ValueError(f"a message of {len(body)} bytes: the server takes {self._frame_bytes}")
        self._writer.write(HEADER.pack(len(body)) + body)

    async def _read(self) -> Disconnected:
        try:
            while True:
                async with asyncio.timeout(self._patience):
                    (length,) = HEADER.unpack(await self._reader.readexactly(HEADER.size))
                    if length > MAX_INBOUND_BYTES:
                        return Disconnected(f"a frame of {length} bytes came, {MAX_INBOUND_BYTES} is the limit")
                    body = await self._reader.readexactly(length)
                if not body:
                    self._writer.write(HEARTBEAT)
                    self._loop.call_soon(self._on_event, {"type": "heartbeat"})
                    continue
                message = json.loads(body)
                if message["type"] == "bye":
                    return Disconnected(f"bye {message['code']} {message['message']}", message)
                self._dispatch(message)
        except TimeoutError:
            return Disconnected(f"nothing heard for {self._patience} s")
        except Exception as fault:
            return Disconnected(f"connection lost: {fault!r}")

    def _end(self, reading: asyncio.Task[Disconnected]) -> None:
        ended = Disconnected("closed here") if reading.cancelled() else reading.result()
        self._closed.set_result(ended)
        self._writer.close()
        for task in self._answering.values():
            task.cancel()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(ended)

    def _dispatch(self, message: Message) -> None:
        type, id, channel = message["type"], message.get("id"), message.get("channel")
        if type == "request":
            task = self._answering[id] = self._loop.create_task(self._respond(message))
            task.add_done_callback(lambda _: self._answering.pop(id))
            return
        if type == "cancel":
            if task := self._answering.get(id):
                task.cancel()
            return
        if type == "connected":
            self.connected, heartbeat = message, message["heartbeat"]
            self._frame_bytes = message["limits"]["frameBytes"]
            self._patience = (heartbeat["intervalMs"] + heartbeat["timeoutMs"]) / 1000
        # Listeners run through the loop, in order: one that fails is reported there and does not end the connection.
        if type in OF_A_CHANNEL and channel in self._listeners:
            self._loop.call_soon(self._listeners[channel], message)
            if type == "unsubscribed":
                del self._listeners[channel]
        elif id is None:
            self._loop.call_soon(self._on_event, message)
        answer = self._asked.pop(id, None)
        if answer is None or answer.done():  # done: its caller was cancelled and listens no more
            return
        if type == "error":
            answer.set_exception(LonglineError(message["code"], message["message"], message["retry"]))
        else:
            answer.set_result(message)

    async def _respond(self, request: Message) -> None:
        id, service = request["id"], request["service"]
        try:
            if service not in self._services:
                raise LonglineError(114, f"{service} is not served here", retry=True)
            self._send({"type": "response", "id": id, "data": await self._services[service](request["data"])})
        except LonglineError as error:
            self._send({"type": "error", "id": id, "code": error.code, "message": error.message, "retry": error.retry})
        except Exception:
            log.exception("service %s failed", service)
            if not self._closed.done():
                self._send({"type": "error", "id": id, "code": 100, "message": "the responder failed"})


def show(message: Message) -> None:
    """One line; ids are the connection's own business."""
    print(json.dumps({name: value for name, value in message.items() if name != "id"}), flush=True)


async def until(client: Client, done: asyncio.Future[None]) -> None:
    ended = asyncio.ensure_future(client.wait_closed())
    await asyncio.wait([done, ended], return_when=asyncio.FIRST_COMPLETED)
    if not done.done():
        raise ended.result()


async def sub(client: Client, args: argparse.Namespace) -> None:
    heard, done = itertools.count(1), asyncio.get_running_loop().create_future()

    def listener(message: Message) -> None:
        show(message)
        if message["type"] == "publication" and next(heard) == args.count:
            done.set_result(None)

    await client.subscribe(args.channel, listener)
    await until(client, done)
    await client.unsubscribe(args.channel)


async def pub(client: Client, args: argparse.Namespace) -> None:
    show(await client.publish(args.channel, args.data, key=args.key))


async def serve(client: Client, args: argparse.Namespace) -> None:
    answered, done = itertools.count(1), asyncio.get_running_loop().create_future()

    async def upper_or_echo(data: Any) -> Any:
        show({"type": "request", "service": args.service, "data": data})
        if next(answered) == args.count:
            done.set_result(None)
        return data.upper() if isinstance(data, str) else data

    show(await client.serve(args.service, upper_or_echo))
    await until(client, done)
    show(await client.unserve(args.service))


async def req(client: Client, args: argparse.Namespace) -> None:
    show({"type": "response", "data": await client.request(args.service, args.data, args.timeout_ms)})


async def main(args: argparse.Namespace) -> None:
    tls = ssl.create_default_context(cafile=args.tls_ca) if args.tls_ca else None
    client = await Client.connect(args.host, args.port, unix=args.unix, tls=tls, on_event=show)
    try:
        await args.verb(client, args)
    finally:
        await client.close()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Prints JSON lines. Exits with 0, 1 (error) or 3 (disconnected).")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7557)
    parser.add_argument("--tls-ca", metavar="FILE", help="speak TLS and trust this authority")
    parser.add_argument("--unix", metavar="PATH")
    verbs = parser.add_subparsers(required=True)
    for verb, subject in ((sub, "channel"), (pub, "channel"), (serve, "service"), (req, "service")):
        command = verbs.add_parser(verb.__name__)
        command.set_defaults(verb=verb)
        command.add_argument(subject)
        if verb in (sub, serve):
            command.add_argument("--count", type=int, metavar="N", help="leave after so many")
        else:
            command.add_argument("data", type=json.loads, metavar="JSON")
        if verb is pub:
            command.add_argument("--key")
        if verb is req:
            command.add_argument("--timeout-ms", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    try:
        asyncio.run(main(arguments()))
    except LonglineError as error:
        show({"type": "error", "code": error.code, "message": error.message, "retry": error.retry})
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as lost:
        show(getattr(lost, "bye", None) or {"type": "lost", "message": str(lost)})
        sys.exit(3)
