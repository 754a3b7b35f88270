"""What the command line of longline.py does not reach, as one JSON line. Refuses to judge: the test knows what is right."""

import asyncio
import json
import sys

from longline import Client, LonglineError


async def code_of(answer):
    try:
        await answer
    except LonglineError as error:
        return error.code
    except ValueError:
        return "too large"


async def main(port):
    asker, responder = await Client.connect(port=port), await Client.connect(port=port)
    heard, started, stopped = [], asyncio.Event(), asyncio.Event()

    def listener(message):
        if message["type"] == "publication":
            heard.append([message["data"], message.get("tags")])

    await asker.subscribe("scenario:python", listener)
    twice = await code_of(asker.subscribe("scenario:python", listener))
    await asker.publish("scenario:python", "unheard by itself", echo=False)
    await asker.publish("scenario:python", "heard", tags={"size": "small"})
    await asker.unsubscribe("scenario:python")
    await asker.publish("scenario:python", "after leaving")
    await asker.subscribe("scenario:python", listener)

    async def service(data):
        if data == "refuse":
            raise LonglineError(418, "a teapot")
        if data == "crash":
            raise RuntimeError("planted")
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    await responder.serve("scenario:python", service)
    refused = await code_of(asker.request("scenario:python", "refuse"))
    crashed = await code_of(asker.request("scenario:python", "crash"))
    waiting = asyncio.create_task(asker.request("scenario:python", "wait"))
    await started.wait()
    waiting.cancel()
    await stopped.wait()
    large = await code_of(asker.publish("scenario:python", "x" * 65_536))
    await responder.unserve("scenario:python")
    unserved = await code_of(asker.request("scenario:python", "refuse"))
    await asyncio.gather(asker.close(), responder.close())
    print(json.dumps({"type": "seen", "twice": twice, "heard": heard, "refused": refused, "crashed": crashed,
                      "stopped": stopped.is_set(), "large": large, "unserved": unserved}))


asyncio.run(main(int(sys.argv[1])))
