"""A channel that was joined is joined again, however often that is refused for now: python3 -m unittest"""

import asyncio
import unittest

from longline.client import Client
from longline.connection import read_message, write_message
from longline.frames import FrameDecoder, frame

LIMITS = {"frameBytes": 65536, "subscriptions": 1000, "commandsPerSecond": 1000, "outboxBytes": 1048576}
CONNECTED = {"type": "connected", "connection": "c", "session": {"id": "c", "key": "k", "ttlMs": 60000}, "resumed": False,
             "heartbeat": {"intervalMs": 25000, "timeoutMs": 10000}, "limits": LIMITS, "time": 1,
             "server": {"name": "test", "version": "1", "node": "n"}}
SUBSCRIBED = {"type": "subscribed", "channel": "news", "position": {"offset": 1, "epoch": "e"}, "recovered": "none",
              "publications": []}
BUSY = {"type": "error", "code": 113, "message": "busy", "retry": True, "waitMs": 1}
LATER = {**BUSY, "waitMs": 60_000}
UNSUBSCRIBED = {"type": "unsubscribed", "channel": "news"}
NEVER = {"type": "error", "code": 103, "message": "not allowed", "retry": False}
BYE = {"type": "bye", "code": 4000, "message": "the server is going away", "retry": "now"}


class Rejoining(unittest.IsolatedAsyncioTestCase):
    async def heard(self, *scripts, leaves_after=None):
        """What the listener and `on_event` hear while each connection answers as its script says, message by message."""
        connections, told = iter(scripts), asyncio.Queue()

        async def serve(reader, writer):
            decoder, answers = FrameDecoder(65536), iter(next(connections))
            while chunk := await reader.read(65536):
                for message in map(read_message, decoder.push(chunk)):
                    for answer in next(answers):
                        id = {} if answer["type"] == "bye" else {"id": message["id"]}
                        writer.write(frame(write_message({**answer, **id})))
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            client = await Client.connect(port=port, on_event=lambda event: told.put_nowait(event["type"]))
            await client.subscribe("news", lambda message: told.put_nowait(message["type"]))
            types = []
            while types.count("subscribed") < 2 and not {"refused", "unsubscribed"} & set(types):
                types.append(await asyncio.wait_for(told.get(), 10))
                if types == leaves_after:
                    await client.unsubscribe("news")
            await client.close()
            return types

    async def test_a_refusal_with_retry_is_asked_again(self):
        heard = await self.heard([[CONNECTED], [SUBSCRIBED, BYE]], [[CONNECTED], [BUSY], [BUSY], [SUBSCRIBED]])
        self.assertEqual(heard, ["connected", "subscribed", "disconnected", "connected", "subscribed"])

    async def test_one_without_is_the_end_of_it(self):
        heard = await self.heard([[CONNECTED], [SUBSCRIBED, BYE]], [[CONNECTED], [NEVER]])
        self.assertEqual(heard, ["connected", "subscribed", "disconnected", "connected", "refused"])

    async def test_one_that_is_left_while_it_is_refused_has_its_last_word(self):
        twice = ["connected", "subscribed", "disconnected", "connected"]
        heard = await self.heard([[CONNECTED], [SUBSCRIBED, BYE]], [[CONNECTED], [LATER], [UNSUBSCRIBED]], leaves_after=twice)
        self.assertEqual(heard, [*twice, "unsubscribed"])


if __name__ == "__main__":
    unittest.main()
