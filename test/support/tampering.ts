/**
 * A wire that changes what goes over it, message by message, so that its owner seems to break a rule. Understands frames of
 * JSON only.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type { Dialer } from "../../src/client/Client.ts"
import * as FrameDecoder from "../../src/frame/FrameDecoder.ts"
import * as FrameLayout from "../../src/frame/FrameLayout.ts"
import type { Wire } from "../../src/transport/Transport.ts"
import { frame } from "./frames.ts"

/** A message, or a heartbeat, on its way. */
export type Message = { readonly type: string; readonly [name: string]: unknown }

/** What becomes of it: another one, several, or none. */
export type Change = (message: Message) => Message | ReadonlyArray<Message> | undefined

const changer = (change: Change) => {
  const decoder = FrameDecoder.make(FrameLayout.makeUnsafe({ maxFrameBytes: 2 ** 21 }))
  return (chunks: ReadonlyArray<Uint8Array>): Buffer => {
    const bodies = chunks.flatMap((chunk) => decoder.push(chunk))
    // What is no frame is passed on as it is.
    if (decoder.failure !== undefined) return Buffer.concat(chunks)
    return Buffer.concat(
      bodies.flatMap((body) => {
        const text = String(Buffer.from(body))
        if (text !== "" && !text.startsWith("{")) return [frame(body)]
        const changed = change(text === "" ? { type: "heartbeat" } : (JSON.parse(text) as Message))
        const list = changed === undefined ? [] : Array.isArray(changed) ? changed : [changed]
        return list.map((message: Message) => frame(message.type === "heartbeat" ? "" : JSON.stringify(message)))
      }),
    )
  }
}

/** Dials wires that change what is sent, or what is received. */
export const dialer = (dial: Dialer, make: () => { readonly sent?: Change; readonly received?: Change }): Dialer =>
  Effect.map(dial, (wire) => {
    const { received, sent } = make()
    const [outwards, inwards] = [sent && changer(sent), received && changer(received)]
    const writeUnsafe: Wire["writeUnsafe"] = (chunks) => wire.writeUnsafe([outwards!(chunks)])
    const pull: Wire["pull"] = Effect.suspend(() =>
      Effect.flatMap(wire.pull, (chunks) => {
        const bytes = inwards!(chunks)
        return bytes.length === 0 ? pull : Effect.succeed(Arr.of(bytes))
      }),
    )
    return new Proxy(wire, {
      get: (target, name) => {
        if (name === "writeUnsafe" && outwards !== undefined) return writeUnsafe
        if (name === "pull" && inwards !== undefined) return pull
        if (name === "arrived") return undefined
        const value = Reflect.get(target, name, target) as unknown
        return typeof value === "function" ? (value.bind(target) as unknown) : value
      },
    })
  })
