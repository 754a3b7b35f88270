/**
 * The gateway's protocol from the client's side, in one encoding or the other: frames, limits, and no heartbeats of its own,
 * for the gateway wants each of its own answered. Reads and writes nothing itself.
 */
import * as Effect from "effect/Effect"
import type { Codec } from "../codec/Codec.ts"
import * as Protocol from "../connection/Protocol.ts"
import * as FrameLayout from "../frame/FrameLayout.ts"
import type { Encoding } from "../gateway/protocol/Subprotocol.ts"
import * as ClientJson from "./ClientJson.ts"
import type { Inbound, Outbound } from "./Message.ts"

/** Body bytes of a frame from the gateway (section 1). */
export const maxServerFrameBytes = 1024 * 1024

/** Body bytes of a frame to the gateway, once it has answered `connect` (section 1). */
export const maxClientFrameBytes = 64 * 1024

/** The connection's protocol. */
export const protocolOf = (encoding: Encoding): Effect.Effect<Protocol.Protocol<Inbound, Outbound>> =>
  Effect.map(codecOf(encoding), (codec) =>
    Protocol.fromCodec({
      name: "longline",
      codec,
      layout: FrameLayout.makeUnsafe({ maxFrameBytes: maxServerFrameBytes }),
      maxOutboundFrameBytes: maxClientFrameBytes,
      heartbeat: "none",
    }),
  )

/** Protobuf is loaded when it is asked for: a page that speaks JSON does not pay for it. */
const codecOf = (encoding: Encoding): Effect.Effect<Codec<Inbound, Outbound>> =>
  encoding === "json"
    ? Effect.succeed(ClientJson.codec)
    : Effect.promise(() => import("./ClientProtobuf.ts").then(({ make }) => make()))
