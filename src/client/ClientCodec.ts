/**
 * The gateway's protocol from the client's side, in one encoding or the other: frames, limits, and no heartbeats of its own,
 * for the gateway wants each of its own answered. Reads and writes nothing itself.
 */
import * as Effect from "effect/Effect"
import type { Codec } from "../codec/Codec.ts"
import * as Protocol from "../connection/Protocol.ts"
import * as FrameLayout from "../frame/FrameLayout.ts"
import * as FrameLimits from "../gateway/protocol/FrameLimits.ts"
import type { Encoding } from "../gateway/protocol/Subprotocol.ts"
import { type ClientError, Ended, of } from "./ClientError.ts"
import * as ClientJson from "./ClientJson.ts"
import type { Inbound, Outbound } from "./Message.ts"

/** The connection's protocol. */
export const protocolOf = (encoding: Encoding): Effect.Effect<Protocol.Protocol<Inbound, Outbound>, ClientError> =>
  Effect.map(codecOf(encoding), (codec) =>
    Protocol.fromCodec({
      name: "longline",
      codec,
      layout: FrameLayout.makeUnsafe({ maxFrameBytes: FrameLimits.maxServerFrameBytes }),
      maxOutboundFrameBytes: FrameLimits.maxClientFrameBytes,
      heartbeat: "none",
    }),
  )

/**
 * Protobuf is loaded when it is asked for: a page that speaks JSON does not pay for it. A page that was open while its
 * server got another version asks for a file that is gone.
 */
const codecOf = (encoding: Encoding): Effect.Effect<Codec<Inbound, Outbound>, ClientError> =>
  encoding === "json"
    ? Effect.succeed(ClientJson.codec)
    : Effect.tryPromise({
        try: () => import("./ClientProtobuf.ts").then(({ make }) => make()),
        catch: (cause) =>
          of(new Ended({ code: undefined, message: `the Protobuf encoding cannot be loaded: ${String(cause)}` })),
      })
