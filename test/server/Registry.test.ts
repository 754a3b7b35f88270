/**
 * Live connections, groups of them, and what all of a group hear.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { CodecError } from "../../src/codec/Codec.ts"
import type { Connection } from "../../src/connection/Connection.ts"
import type { SharedFrame } from "../../src/connection/Outbox.ts"
import type { Protocol } from "../../src/connection/Protocol.ts"
import { LiveRegistry } from "../../src/server/Registry.ts"
import { serve, serveProtocol, Text } from "../support/served.ts"
import { settled, until } from "../support/wires.ts"

/** `Text` with its encodings counted, which refuses to say `unsayable`. */
const counting = () => {
  const encoded: Array<string> = []
  const protocol: Protocol<string, string> = {
    ...Text,
    codec: {
      ...Text.codec,
      encode: (text) => {
        encoded.push(text)
        return text === "unsayable"
          ? Result.fail(new CodecError({ direction: "encode", path: "", expected: "anything else", actual: text }))
          : Text.codec.encode(text)
      },
    },
  }
  return { encoded, protocol }
}

/** A registry with so many connections, which only keep the frames that they share. */
const setup = (count: number) => {
  const { encoded, protocol } = counting()
  const registry = new LiveRegistry(protocol)
  const members = Array.from({ length: count }, (_, index) => {
    const frames: Array<SharedFrame> = []
    // Only what a registry touches.
    const { codec } = protocol
    const connection = { id: index + 1, codec, sendSharedUnsafe: (frame: SharedFrame) => void frames.push(frame) }
    return { connection: connection as unknown as Connection<unknown, string>, frames }
  })
  for (const { connection } of members) registry.add(connection)
  return { encoded, registry, members }
}

const shape = <Out>(registry: LiveRegistry<Out>, ...names: ReadonlyArray<string>) => ({
  size: registry.size,
  groups: registry.groups,
  sizes: names.map((name) => registry.group(name)?.size),
})

describe("groups", () => {
  it("exist while they have members", () => {
    const { registry, members } = setup(2)
    const [a, b] = members.map(({ connection }) => connection)
    assert.deepStrictEqual(shape(registry, "x"), { size: 2, groups: 0, sizes: [undefined] })
    registry.join(a!, "x")
    registry.join(b!, "x")
    registry.join(b!, "y")
    assert.deepStrictEqual(shape(registry, "x", "y"), { size: 2, groups: 2, sizes: [2, 1] })
    registry.leave(b!, "y")
    registry.leave(b!, "x")
    assert.deepStrictEqual(shape(registry, "x", "y"), { size: 2, groups: 1, sizes: [1, undefined] })
    registry.leave(a!, "x")
    assert.deepStrictEqual(shape(registry, "x", "y"), { size: 2, groups: 0, sizes: [undefined, undefined] })
  })

  it("hold a connection once, however often it joins, and mind no leave of a stranger", () => {
    const { registry, members } = setup(2)
    const [a, b] = members.map(({ connection }) => connection)
    registry.join(a!, "x")
    registry.join(a!, "x")
    registry.leave(b!, "x")
    registry.leave(b!, "nowhere")
    assert.deepStrictEqual(shape(registry, "x"), { size: 2, groups: 1, sizes: [1] })
    registry.leave(a!, "x")
    assert.deepStrictEqual(shape(registry, "x"), { size: 2, groups: 0, sizes: [undefined] })
  })

  it("outlive one who left, and ends after others have made the group anew", () => {
    const { registry, members } = setup(2)
    const [a, b] = members.map(({ connection }) => connection)
    registry.join(a!, "x")
    registry.leave(a!, "x")
    registry.join(b!, "x")
    registry.remove(a!)
    assert.deepStrictEqual(shape(registry, "x"), { size: 1, groups: 1, sizes: [1] })
  })

  it("lose a connection that ends, and take none that has ended", () => {
    const { registry, members } = setup(2)
    const [a, b] = members.map(({ connection }) => connection)
    for (const name of ["x", "y", "z"]) registry.join(a!, name)
    registry.join(b!, "x")
    registry.leave(a!, "z")
    registry.remove(a!)
    assert.deepStrictEqual(shape(registry, "x", "y", "z"), { size: 1, groups: 1, sizes: [1, undefined, undefined] })
    registry.join(a!, "y")
    registry.remove(b!)
    assert.deepStrictEqual(shape(registry, "x", "y", "z"), {
      size: 0,
      groups: 0,
      sizes: [undefined, undefined, undefined],
    })
    assert.deepStrictEqual([...registry.connections()], [])
  })
})

describe("a broadcast", () => {
  it("is encoded once, and everybody holds the same bytes", () => {
    const { encoded, registry, members } = setup(100)
    assert.deepStrictEqual(registry.broadcast("hello"), Result.succeed(100))
    assert.deepStrictEqual(encoded, ["hello"])
    const frames = new Set(members.flatMap((member) => member.frames))
    assert.strictEqual(frames.size, 1)
    assert.deepStrictEqual(
      members.map((member) => member.frames.length),
      Array(100).fill(1),
    )
    assert.deepStrictEqual(
      [...frames].map(({ bytes }) => Buffer.from(bytes).toString("hex")),
      ["0000000568656c6c6f"],
    )
  })

  it("is encoded once for each codec that its members speak", () => {
    const { encoded, registry, members } = setup(4)
    const shouting = { ...Text.codec, encode: (text: string) => Text.codec.encode(text.toUpperCase()) }
    for (const { connection } of members.slice(2)) Object.assign(connection, { codec: shouting })
    assert.deepStrictEqual(registry.broadcast("hey"), Result.succeed(4))
    assert.deepStrictEqual(
      members.map(({ frames }) => frames.map(({ bytes }) => Buffer.from(bytes.subarray(4)).toString())),
      [["hey"], ["hey"], ["HEY"], ["HEY"]],
    )
    assert.strictEqual(new Set(members.flatMap(({ frames }) => frames)).size, 2)
    assert.deepStrictEqual(encoded, ["hey"])
  })

  it("goes to a group's members only, except one", () => {
    const { encoded, registry, members } = setup(4)
    const [a, b, c] = members.map(({ connection }) => connection)
    for (const member of [a!, b!, c!]) registry.join(member, "x")
    assert.deepStrictEqual(registry.group("x")?.broadcast("hey", { except: b! }), Result.succeed(2))
    assert.deepStrictEqual(registry.broadcast("all", { except: a! }), Result.succeed(3))
    assert.deepStrictEqual(
      members.map(({ frames }) => frames.length),
      [1, 1, 2, 1],
    )
    assert.deepStrictEqual(encoded, ["hey", "all"])
  })

  it("that cannot be encoded goes to nobody and says why", () => {
    const { registry, members } = setup(2)
    const failed = registry.broadcast("unsayable")
    assert.strictEqual(Result.getOrThrow(Result.flip(failed))._tag, "CodecError")
    const long = registry.broadcast("x".repeat(Text.encoder.layout.maxFrameBytes + 1))
    assert.isTrue(Result.isFailure(long))
    assert.deepStrictEqual(registry.broadcast("x".repeat(Text.encoder.layout.maxFrameBytes)), Result.succeed(2))
    assert.deepStrictEqual(
      members.map(({ frames }) => frames.length),
      [1, 1],
    )
  })
})

describe("a server's registry", () => {
  it.effect("carries what one says to all the others, and is empty when everybody has left", () =>
    Effect.gen(function* () {
      const { encoded, protocol } = counting()
      const server = yield* serveProtocol(protocol, (connection, registry) =>
        Stream.runForEach(connection.messages, (text) =>
          Effect.sync(() => {
            if (text.startsWith("join ")) registry.join(connection, text.slice(5))
            else registry.group("room")?.broadcast(text, { except: connection })
          }),
        ),
      )
      const clients = yield* Effect.forEach([1, 2, 3, 4], () => server.connect())
      const [ada, bob, eve, mute] = clients
      for (const client of [ada!, bob!, eve!]) client.say("join room")
      mute!.say("join elsewhere")
      yield* until(() => server.registry.group("room")?.size === 3 && server.registry.groups === 2)
      ada!.say("hello")
      yield* until(() => bob!.heard.length + eve!.heard.length === 2)
      yield* settled
      assert.deepStrictEqual(
        clients.map(({ heard }) => heard),
        [[], ["hello"], ["hello"], []],
      )
      assert.deepStrictEqual(encoded, ["hello"])
      for (const client of clients) client.wire.endUnsafe()
      yield* until(() => clients.every((client) => client.state() === "fin"))
      assert.deepStrictEqual([server.registry.size, server.registry.groups], [0, 0])
    }),
  )

  it.effect("closes the member that does not read, for itself, and the broadcast reaches all the others", () =>
    Effect.gen(function* () {
      const server = yield* serve((connection, registry) => {
        registry.join(connection, "room")
        return Stream.runDrain(connection.messages)
      })
      const reader = yield* server.connect()
      const deaf = yield* server.memory.connect
      deaf.stallUnsafe()
      const last = yield* server.connect()
      yield* until(() => server.registry.group("room")?.size === 3)
      const text = "x".repeat(60_000)
      let sent = 0
      while (server.registry.group("room")?.size === 3) {
        server.registry.group("room")!.broadcast(text)
        sent++
        yield* settled
      }
      // 1 MiB is the outbox's limit.
      assert.strictEqual(sent, Math.ceil(2 ** 20 / (text.length + 4)))
      yield* settled
      assert.deepStrictEqual([reader.heard.length, last.heard.length], [sent, sent])
      assert.deepStrictEqual([server.registry.size, reader.state(), last.state()], [2, "open", "open"])
    }),
  )
})
