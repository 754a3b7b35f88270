/**
 * A choice of codecs: messages are lines of text, which a peer speaks plainly, or as JSON strings if it begins with one.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as JsonCodec from "../../src/codec/JsonCodec.ts"
import type { Connection } from "../../src/connection/Connection.ts"
import * as Protocol from "../../src/connection/Protocol.ts"
import { open, type Options, text } from "../support/connections.ts"

const json = JsonCodec.make()({ inbound: Schema.String, outbound: Schema.String })

/** What a peer hears that says these chunks of bodies and leaves. */
const converse = Effect.fnUntraced(function* (
  chunks: ReadonlyArray<ReadonlyArray<string>>,
  {
    heartbeat = "empty",
    ...options
  }: Partial<Options<string, string>> & { readonly heartbeat?: "empty" | "none" } = {},
) {
  const asked: Array<string> = []
  const protocol = Protocol.fromCodec({
    name: "two",
    heartbeat,
    codec: text,
    codecFor: (first) => {
      asked.push(Buffer.from(first).toString())
      return first[0] === 0x22 ? json : text
    },
    subprotocols: { "two.json": json },
    goodbye: (reason) => `bye ${reason._tag}`,
  })
  const { connection, peer } = yield* open({ protocol, ...options }, echo)
  const listening = yield* Effect.forkScoped(peer.listen)
  for (const chunk of chunks) {
    peer.say(...chunk)
    yield* Effect.yieldNow
  }
  peer.wire.endUnsafe()
  return { heard: yield* Fiber.join(listening), asked, codec: connection.codec }
})

const echo = (connection: Connection<string, string>) =>
  Stream.runForEach(connection.messages, (message) => connection.send(`${connection.codec.name}:${message}`))

describe("a choice of codecs", () => {
  it.effect("is not a peer's where the wire has agreed on a subprotocol, from the goodbye before any body on", () =>
    Effect.gen(function* () {
      const agreed = { subprotocol: "two.json" }
      assert.deepStrictEqual(yield* converse([['"a"']], agreed), {
        heard: ['"json:a"', '"bye PeerClosed"'],
        asked: [],
        codec: json,
      })
      assert.deepStrictEqual(yield* converse([["a"]], agreed), { heard: ['"bye BadMessage"'], asked: [], codec: json })
      assert.deepStrictEqual(yield* converse([], agreed), { heard: ['"bye PeerClosed"'], asked: [], codec: json })
    }),
  )

  it.effect("is the peer's where the wire has agreed on something else", () =>
    Effect.gen(function* () {
      const { heard } = yield* converse([["a"]], { subprotocol: "other" })
      assert.deepStrictEqual(heard, ["text:a", "bye PeerClosed"])
    }),
  )

  it.effect("is made by the first body, for the whole connection, both ways", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* converse([['"a"', '"b"'], ['"c"']]), {
        heard: ['"json:a"', '"json:b"', '"json:c"', '"bye PeerClosed"'],
        asked: ['"a"'],
        codec: json,
      })
      assert.deepStrictEqual(yield* converse([["a"], ['"b"']]), {
        heard: ["text:a", 'text:"b"', "bye PeerClosed"],
        asked: ["a"],
        codec: text,
      })
    }),
  )

  it.effect("is not made by a heartbeat", () =>
    Effect.gen(function* () {
      const { asked, heard } = yield* converse([[""], ["", '"a"'], [""]])
      assert.deepStrictEqual([asked, heard], [['"a"'], ['"json:a"', '"bye PeerClosed"']])
    }),
  )

  it.effect("is made by an empty body where that is a message", () =>
    Effect.gen(function* () {
      const { asked, heard } = yield* converse([["", '"a"']], { heartbeat: "none" })
      assert.deepStrictEqual([asked, heard], [[""], ["text:", 'text:"a"', "bye PeerClosed"]])
    }),
  )

  it.effect("has the protocol's codec before it: a peer that says nothing is told in that", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* converse([]), { heard: ["bye PeerClosed"], asked: [], codec: text })
    }),
  )

  it.effect("holds for the goodbye to a body that the chosen codec refuses", () =>
    Effect.gen(function* () {
      const { heard } = yield* converse([['"a']])
      assert.deepStrictEqual(heard, ['"bye BadMessage"'])
    }),
  )
})
