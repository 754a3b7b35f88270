"""The client as a command, `python3 -m longline`: a JSON line for all that it hears. Refuses to print the ids of messages."""

import argparse
import asyncio
import contextlib
import itertools
import json
import ssl
import sys
from typing import Any

from .client import Client
from .connection import LonglineError, Message


def show(message: Message) -> None:
    """One line; ids are the connection's own business."""
    print(json.dumps({name: value for name, value in message.items() if name != "id"}), flush=True)


def event(message: Message) -> None:
    """What the client says is for people, and what the server says is for programs."""
    if message["type"] in ("connected", "disconnected", "refused"):
        print(f"longline: {json.dumps(message)}", file=sys.stderr, flush=True)
    else:
        show(message)


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

    await client.subscribe(args.channel, listener, mode=args.mode, presence=args.presence or None)
    await until(client, done)
    await client.unsubscribe(args.channel)


async def pub(client: Client, args: argparse.Namespace) -> None:
    if args.data != "-":
        return show(await client.publish(args.channel, json.loads(args.data), key=args.key))
    # One behind the other: what is acknowledged is in the order of the lines.
    while line := await asyncio.to_thread(sys.stdin.readline):
        show(await client.publish(args.channel, json.loads(line)))


async def hist(client: Client, args: argparse.Namespace) -> None:
    show(await client.history(args.channel, limit=args.limit, reverse=args.reverse or None))


async def pres(client: Client, args: argparse.Namespace) -> None:
    show(await client.presence(args.channel))


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
    client = await Client.connect(args.host, args.port, unix=args.unix, tls=tls, token=args.token, on_event=event,
                                  reconnects=not args.once)
    try:
        await args.verb(client, args)
    finally:
        await client.close()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m longline",
                                     description="Prints JSON lines. Exits with 0, 1 (error) or 3 (disconnected).")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7557)
    parser.add_argument("--tls-ca", metavar="FILE", help="speak TLS and trust this authority")
    parser.add_argument("--unix", metavar="PATH")
    parser.add_argument("--token")
    parser.add_argument("--once", action="store_true", help="do not reconnect")
    verbs = parser.add_subparsers(required=True)
    for verb in (sub, pub, hist, pres, serve, req):
        command = verbs.add_parser(verb.__name__)
        command.set_defaults(verb=verb)
        command.add_argument("service" if verb in (serve, req) else "channel")
        if verb in (sub, serve):
            command.add_argument("--count", type=int, metavar="N", help="leave after so many")
        if verb is sub:
            command.add_argument("--mode", choices=("stream", "latest", "live"))
            command.add_argument("--presence", action="store_true", help="be present, and be told of others")
        if verb is pub:
            command.add_argument("data", metavar="JSON", help="or -: a publication for each line of standard input")
            command.add_argument("--key")
        if verb is hist:
            command.add_argument("--limit", type=int)
            command.add_argument("--reverse", action="store_true", help="newest first")
        if verb is req:
            command.add_argument("data", type=json.loads, metavar="JSON")
            command.add_argument("--timeout-ms", type=int)
    return parser.parse_args()


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
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
