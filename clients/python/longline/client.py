"""A client that stays connected: full jitter, the session, positions, services, and publications that are repeated.

Refuses to hide what is lost: a listener hears `recovered: no` and `gap`, and who asked a service hears `Disconnected`.
"""

import asyncio
import logging
import random
import ssl
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from .connection import REPEAT_SECONDS, Connection, Disconnected, LonglineError, Message
from .subscription import Subscription

FIRST_CEILING_SECONDS = 0.5  # protocol.md, section 9
LAST_CEILING_SECONDS = 20.0
HEALTHY_SECONDS = 30.0
PUBLISH_SECONDS = 240.0  # keys are remembered for 5 minutes: one that is forgotten would be published twice
OF_A_CHANNEL = frozenset({"publication", "gap", "presenceChanged"})

log = logging.getLogger("longline")
T = TypeVar("T")


class Client:
    """Made by `connect`, which waits for the first connection; lives on the event loop that made it."""

    def __init__(self, dial: Message, token: str | Callable[[], str | None] | None,
                 on_event: Callable[[Message], None], reconnects: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._dial, self._token, self._reconnects = dial, token, reconnects
        self._tell: Callable[[Message], Any] = lambda event: self._loop.call_soon(on_event, event)
        self._subscriptions: dict[str, Subscription] = {}
        self._services: dict[str, Callable[[Any], Awaitable[Any]]] = {}
        self._answering: dict[int, asyncio.Task[None]] = {}
        self._connection: Connection | None = None
        self._session: Message | None = None
        self._up: asyncio.Future[Connection] = self._loop.create_future()
        self._ended: asyncio.Future[Disconnected] = self._loop.create_future()
        self._staying = self._loop.create_task(self._stay())
        self._staying.add_done_callback(self._stayed)

    @classmethod
    async def connect(cls, host: str = "127.0.0.1", port: int = 7557, *, unix: str | None = None,
                      tls: ssl.SSLContext | None = None, token: str | Callable[[], str | None] | None = None,
                      on_event: Callable[[Message], None] = lambda message: None, reconnects: bool = True) -> "Client":
        """`on_event` hears what answers no question: connections that come and go, notices, heartbeats, stray errors.

        `token` may be a function, which is asked before each connection, for a token that lasts.
        """
        client = cls({"host": host, "port": port, "unix": unix, "tls": tls}, token, on_event, reconnects)
        try:
            await client._connected()
        except BaseException:
            await client.close()
            raise
        return client

    async def subscribe(self, channel: str, listener: Callable[[Message], None], **options: Any) -> Message:
        """`listener` hears all that concerns the channel, in order; `options` are `position`, `mode` and `presence`."""
        if channel in self._subscriptions:
            raise LonglineError(105, f"already subscribed to {channel}")
        joined: asyncio.Future[Message] = self._loop.create_future()

        # Listeners run through the loop: one that fails is reported there and does not end the connection.
        def told(message: Message) -> None:
            self._loop.call_soon(listener, message)
            if not joined.done():
                joined.set_result(message)

        subscription = self._subscriptions[channel] = Subscription(channel, told, options)
        subscription.refused = lambda error: joined.done() or joined.set_exception(error)
        self._ended.add_done_callback(ended := lambda done: subscription.refused(done.result()))
        try:
            if self._up.done():
                self._join(await self._connected(), subscription)
            return await joined
        except BaseException:
            self._subscriptions.pop(channel, None)
            raise
        finally:
            self._ended.remove_done_callback(ended)

    async def unsubscribe(self, channel: str) -> Message:
        """The listener hears `unsubscribed` last, here and when the server decides it."""
        subscription = self._subscriptions.get(channel)
        if subscription is not None:
            subscription.is_leaving = True
        try:
            return await self._safely(lambda connection: connection.ask("unsubscribe", channel=channel))
        finally:
            if subscription is not None:
                subscription.is_leaving = False

    async def publish(self, channel: str, data: Any, *, key: str | None = None, tags: dict[str, str] | None = None,
                      echo: bool | None = None) -> Message:
        """Returns `published`. Repeated with its key, over reconnects, until it is known what became of it.

        After `TimeoutError` it is not known.
        """
        fields = {"channel": channel, "data": data, "key": key or uuid.uuid4().hex, "tags": tags, "echo": echo}
        async with asyncio.timeout(PUBLISH_SECONDS):
            published = await self._until_known(fields)
        if echo is False and channel in self._subscriptions:
            self._subscriptions[channel].told_unheard(published)
        return published

    async def request(self, service: str, data: Any, timeout_ms: int | None = None) -> Any:
        """Returns the responder's data. Cancelling the task that waits cancels the request as well."""
        connection = await self._connected()
        id, answer = connection.start("request", service=service, data=data, timeoutMs=timeout_ms)
        try:
            return (await answer)["data"]
        except asyncio.CancelledError:
            if not connection.closed.done():
                connection.send({"type": "cancel", "id": id})
            raise

    async def serve(self, service: str, function: Callable[[Any], Awaitable[Any]]) -> Message:
        """Answers requests with `await function(data)`, each in a task that a `cancel` from the server cancels."""
        self._services[service] = function
        try:
            return await self._safely(lambda connection: connection.ask("serve", service=service))
        except LonglineError:
            self._services.pop(service, None)
            raise

    async def unserve(self, service: str) -> Message:
        """Requests under way are still answered."""
        self._services.pop(service, None)
        return await self._safely(lambda connection: connection.ask("unserve", service=service))

    async def history(self, channel: str, **options: Any) -> Message:
        """Options are `since`, `limit` and `reverse`."""
        return await self._safely(lambda connection: connection.ask("history", channel=channel, **options))

    async def presence(self, channel: str) -> Message:
        """Who is there: `members` and their `count`."""
        return await self._safely(lambda connection: connection.ask("presence", channel=channel))

    async def refresh(self, token: str) -> Message:
        """Gives the server a new token before the old one expires."""
        return await (await self._connected()).ask("refresh", token=token)

    async def wait_closed(self) -> Disconnected:
        """Returns why there will be no connection any more, when it is so."""
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        """Closes after what was sent has left; everybody still waiting gets `Disconnected`."""
        self._staying.cancel()
        await asyncio.wait([self._staying])
        if self._connection is not None:
            await self._connection.close()
        self._end(Disconnected("closed here"))

    async def _connected(self) -> Connection:
        return await asyncio.shield(self._up)

    async def _safely(self, ask: Callable[[Connection], Awaitable[T]]) -> T:
        """What does no harm when it happens twice is asked again on the next connection."""
        while True:
            connection = await self._connected()
            try:
                return await ask(connection)
            except Disconnected:
                await asyncio.sleep(0)  # until the client has noticed, too

    async def _until_known(self, fields: Message) -> Message:
        while True:
            try:
                return await self._safely(lambda connection: connection.ask("publish", **fields))
            except LonglineError as error:
                if not error.retry:
                    raise
                await asyncio.sleep(REPEAT_SECONDS if error.wait_ms is None else error.wait_ms / 1000)

    async def _stay(self) -> None:
        attempt = 0
        while True:
            began = time.monotonic()
            ended = await self._live()
            if time.monotonic() - began >= HEALTHY_SECONDS:
                attempt = 0
            bye = ended.bye or {"retry": "backoff"}
            # Without a way to a new token the old one would be shown, and refused, again and again.
            is_last = bye["retry"] == "never" or (bye["retry"] == "reauth" and not callable(self._token))
            if not self._reconnects or is_last:
                return self._end(ended)
            ceiling = min(LAST_CEILING_SECONDS, FIRST_CEILING_SECONDS * 2**attempt)
            wait = 0.0 if bye["retry"] == "now" and attempt == 0 else random.uniform(0, ceiling)
            wait += bye.get("waitMs", 0) / 1000
            attempt += 1
            self._tell({"type": "disconnected", "message": str(ended), "waitMs": round(wait * 1000)})
            await asyncio.sleep(wait)

    async def _live(self) -> Disconnected:
        """One connection, from its dial to its end."""
        try:
            connection = await Connection.dial(self._received, **self._dial)
        except (OSError, TimeoutError) as fault:
            return Disconnected(f"not connected: {fault}")
        self._connection = connection
        connection.closed.add_done_callback(lambda _: self._down())
        token = self._token() if callable(self._token) else self._token
        try:
            session = self._session and {"id": self._session["id"], "key": self._session["key"]}
            connected = await connection.ask("connect", version=1, token=token, session=session,
                                             client={"name": "longline-python", "version": "1"})
        except Disconnected as ended:
            return ended
        except LonglineError as error:
            await connection.close()
            return Disconnected(str(error))
        self._session = connected["session"]
        for subscription in self._subscriptions.values():
            self._join(connection, subscription)
        for service in self._services:
            self._offer(connection, service)
        self._tell({"type": "connected", "connection": connected["connection"], "resumed": connected["resumed"]})
        self._up.set_result(connection)
        await asyncio.wait([connection.closed])
        return connection.closed.result()

    def _join(self, connection: Connection, subscription: Subscription) -> None:
        _, answer = connection.start("subscribe", **subscription.entry)

        def refused(done: asyncio.Future[Message]) -> None:
            error = None if done.cancelled() else done.exception()
            if not isinstance(error, LonglineError) or not self._has(subscription):
                return
            if error.retry and subscription.was_joined:
                return connection.again(error, lambda: self._rejoin(connection, subscription))
            del self._subscriptions[subscription.channel]
            subscription.refused(error)
            self._tell({"type": "refused", "channel": subscription.channel, "code": error.code})

        answer.add_done_callback(refused)

    def _rejoin(self, connection: Connection, subscription: Subscription) -> None:
        if self._has(subscription) and not subscription.is_leaving:
            self._join(connection, subscription)

    def _has(self, subscription: Subscription) -> bool:
        return self._subscriptions.get(subscription.channel) is subscription

    def _offer(self, connection: Connection, service: str) -> None:
        """What was served before; an error that is not one for now is told."""
        _, answer = connection.start("serve", service=service)

        def refused(done: asyncio.Future[Message]) -> None:
            error = None if done.cancelled() else done.exception()
            if not isinstance(error, LonglineError) or service not in self._services:
                return
            if error.retry:
                return connection.again(error, lambda: service in self._services and self._offer(connection, service))
            del self._services[service]
            self._tell({"type": "refused", "service": service, "code": error.code})

        answer.add_done_callback(refused)

    def _down(self) -> None:
        if self._up.done():
            self._up = self._loop.create_future()
        for subscription in self._subscriptions.values():
            subscription.is_joined, subscription.mending = False, None
        for task in self._answering.values():
            task.cancel()

    def _stayed(self, staying: asyncio.Task[None]) -> None:
        if not staying.cancelled() and (fault := staying.exception()) is not None:
            self._end(Disconnected(f"failed: {fault!r}"))

    def _end(self, ended: Disconnected) -> None:
        if self._ended.done():
            return
        self._ended.set_result(ended)
        if self._up.done():
            self._up = self._loop.create_future()
        self._up.set_exception(ended)
        self._up.exception()  # it need not be waited for

    def _received(self, message: Message) -> None:
        type, id, channel = message["type"], message.get("id"), message.get("channel")
        subscription = self._subscriptions.get(channel)
        if type == "request":
            task = self._answering[id] = self._loop.create_task(self._respond(self._connection, message))
            task.add_done_callback(lambda _: self._answering.pop(id, None))
        elif type == "cancel":
            if id in self._answering:
                self._answering[id].cancel()
        elif subscription is None:
            if id is None:
                self._tell(message)
        elif type == "subscribed":
            subscription.joined(message)
        elif type == "unsubscribed":
            # Otherwise it is the first half of joining again.
            if subscription.is_joined or id not in (None, subscription.mending):
                subscription.left(message)
                del self._subscriptions[channel]
        elif type in OF_A_CHANNEL and subscription.received(message) and not subscription.is_leaving:
            subscription.mending, _ = self._connection.start("unsubscribe", channel=channel)
            self._join(self._connection, subscription)

    async def _respond(self, connection: Connection, request: Message) -> None:
        id, service = request["id"], request["service"]
        try:
            if service not in self._services:
                raise LonglineError(114, f"{service} is not served here", retry=True)
            answer = {"type": "response", "id": id, "data": await self._services[service](request["data"])}
        except LonglineError as error:
            answer = {"type": "error", "id": id, "code": error.code, "message": error.message, "retry": error.retry}
        except Exception:
            log.exception("service %s failed", service)
            answer = {"type": "error", "id": id, "code": 100, "message": "the responder failed"}
        if not connection.closed.done():
            connection.send(answer)
