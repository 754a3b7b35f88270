/**
 * What the two ends of RPC over a connection agree on: each frame's body is what the `RpcSerialization` made of one
 * message, an empty body is a heartbeat, and a body of one byte says that the server leaves.
 * Knows no group and no handler; what Effect's RPC says is its own affair.
 */
import * as Result from "effect/Result"
import type { RpcSerialization } from "effect/rpc/RpcSerialization"
import * as Codec from "../codec/Codec.ts"
import * as Shown from "../codec/Shown.ts"
import * as Protocol from "../connection/Protocol.ts"
import * as FrameLayout from "../frame/FrameLayout.ts"
import * as Limit from "../limit/Limit.ts"

/** A message of RPC is at most this long as a body, both ways: 1 MiB. */
export const defaultMaxFrameBytes = 1024 * 1024

/** Reads and writes the messages of one connection. */
export type Parser = ReturnType<RpcSerialization["Service"]["makeUnsafe"]>

/** Frames of RPC, in bodies of bytes. */
export type RpcProtocol = Protocol.Protocol<Uint8Array, Codec.Body>

/** The server closes soon; calls that run may end. No serialization makes a body of this one byte (ASCII's EOT). */
const leaving = Uint8Array.of(0x04)

/** Whether a body says that the server leaves. */
export const isLeaving = (body: Uint8Array): boolean => body.length === 1 && body[0] === leaving[0]

/** The agreement with this limit for bodies. */
export const protocol = (maxFrameBytes: number = defaultMaxFrameBytes): RpcProtocol =>
  Protocol.fromCodec({
    name: "rpc",
    codec: Codec.bytes,
    layout: FrameLayout.withMaxFrameBytes(FrameLayout.u32, Limit.checkedUnsafe({ maxFrameBytes }).maxFrameBytes),
    draining: () => leaving,
  })

/** A message of which nothing else is known. */
export interface Tagged {
  readonly _tag: string
  readonly [key: string]: unknown
}

/** What a body says: messages of the union that the other side sends, as far as `isMessage` can tell. */
export const read = <Message>(
  parser: Parser,
  body: Uint8Array,
  isMessage: (message: Tagged) => boolean,
): Result.Result<ReadonlyArray<Message>, Codec.CodecError> => {
  let messages: ReadonlyArray<unknown>
  try {
    messages = parser.decode(body)
  } catch (cause) {
    return Result.fail(
      refused("a message of this serialization", cause instanceof Error ? cause.message : cause, cause),
    )
  }
  // A serialization that knows no frames would keep what it took for a beginning, and its caller would wait for ever.
  if (messages.length === 0) return Result.fail(refused("a whole message of this serialization", body))
  const stranger = messages.find((message) => !isTagged(message) || !isMessage(message))
  return stranger === undefined
    ? Result.succeed(messages as ReadonlyArray<Message>)
    : Result.fail(refused("a message of RPC", stranger))
}

const isTagged = (message: unknown): message is Tagged =>
  typeof message === "object" && message !== null && "_tag" in message && typeof message._tag === "string"

const refused = (expected: string, actual: unknown, cause?: unknown) =>
  new Codec.CodecError({
    direction: "decode",
    path: "",
    expected,
    actual: Shown.value(actual),
    ...(cause !== undefined && { cause }),
  })

/** Whether this can name a call. */
export const isId = (id: unknown): boolean => typeof id === "string" || typeof id === "number"
