/**
 * Frames as PostgreSQL has them, on a codec of one's own: a byte for the type, a length of 4 bytes that counts itself,
 * text. Speaks no SQL: `Q` is answered by `D` with the text in capitals, `X` ends the connection.
 *
 *     node build/examples/custom-layout.js 7000
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Layer, Result, Stream } from "effect"
import { Codec, Drain, FrameLayout, LogEvents, Protocol, Server, ServerEvents, TcpTransport } from "longline"

interface Query {
  readonly type: "Q" | "X"
  readonly text: string
}

interface Data {
  readonly type: "D"
  readonly text: string
}

/** The length stands behind one byte and counts its own 4; nothing is stripped, because that byte is the type. */
const layout = FrameLayout.makeUnsafe({ lengthOffset: 1, adjustment: -4, strip: 0 })

const codec: Codec.Codec<Query, Data> = {
  name: "typed-text",
  decode: (frame) => {
    const type = String.fromCharCode(frame[0]!)
    if (type === "Q" || type === "X") return Result.succeed({ type, text: Buffer.from(frame.subarray(5)).toString() })
    return Result.fail(
      new Codec.CodecError({ direction: "decode", path: "type", expected: "Q or X", actual: JSON.stringify(type) }),
    )
  },
  encode: ({ type, text }) => {
    const frame = Buffer.from(`${type}\0\0\0\0${text}`)
    frame.writeUInt32BE(frame.length - 1, 1)
    return Result.succeed(frame)
  },
}

const Typed = Protocol.fromCodec({ name: "typed", layout, codec })

const TypedServer = Server.serve(Typed, (connection) =>
  connection.messages.pipe(
    Stream.takeWhile((query) => query.type !== "X"),
    Stream.map((query): Data => ({ type: "D", text: query.text.toUpperCase() })),
  ),
)

const Main = TypedServer.pipe(
  Layer.provide(TcpTransport.layer({ port: Number(process.argv[2] ?? 0) })),
  Layer.provide(Layer.provideMerge(LogEvents.layer, ServerEvents.layer)),
)

NodeRuntime.runMain(Layer.launch(Main), { teardown: Drain.teardown })
