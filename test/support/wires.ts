/**
 * Small helpers over wires, for the tests of transports: accept one, read so many bytes, wait for a fact.
 * Waits for events and turns of the event loop, never for time.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import type { Address, Transport, TransportError, Wire } from "../../src/transport/Transport.ts"

/** Bytes that differ from their neighbours, so that a lost or a doubled chunk shows. */
export const pattern = (length: number, seed = 0): Buffer => {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >>> 8) * 7 + seed) & 0xff
  return bytes
}

/** Cuts bytes into chunks whose sizes repeat. */
export const chunked = (bytes: Buffer, sizes: ReadonlyArray<number>): Array<Buffer> => {
  const chunks: Array<Buffer> = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}

/** The next wire, with its handshake done. */
export const acceptOne = (transport: Transport["Service"]) =>
  Effect.gen(function* () {
    const wires = yield* transport.accept
    const wire = wires[0]
    yield* wire.opened
    return wire
  })

/** Everything until the peer's FIN. */
export const readAll = (wire: Wire): Effect.Effect<Buffer, TransportError> =>
  Effect.gen(function* () {
    const chunks: Array<Uint8Array> = []
    const step = Effect.map(wire.pull, (arrived) => {
      chunks.push(...arrived)
    })
    yield* Effect.forever(step, { disableYield: true }).pipe(Pull.catchDone(() => Effect.void))
    return Buffer.concat(chunks)
  })

/** At least `length` bytes. */
export const readBytes = Effect.fnUntraced(function* (wire: Wire, length: number) {
  const chunks: Array<Uint8Array> = []
  for (let got = 0; got < length;) {
    for (const chunk of yield* wire.pull) {
      chunks.push(chunk)
      got += chunk.length
    }
  }
  return Buffer.concat(chunks)
})

/** Writes with backpressure. */
export const writeAll = Effect.fnUntraced(function* (wire: Wire, chunks: ReadonlyArray<Uint8Array>, batch = 1) {
  for (const part of Arr.chunksOf(chunks, batch)) {
    if (!wire.writeUnsafe(part)) yield* wire.drained
  }
})

/** The error that a wire is lost with. */
export const lossOf = (wire: Wire): Effect.Effect<TransportError> =>
  Effect.callback((resume) => wire.onLostUnsafe((error) => resume(Effect.succeed(error))))

/** One turn of the event loop. */
export const turn: Effect.Effect<void> = Effect.callback((resume) => {
  setImmediate(resume, Effect.void)
})

/** Lets turns of the event loop pass until a fact holds; the test's own timeout is its deadline. */
export const until = (fact: () => boolean): Effect.Effect<void> =>
  Effect.callback((resume) => {
    let stopped = false
    const look = (): void => {
      if (stopped) return
      if (fact()) resume(Effect.void)
      else setImmediate(look)
    }
    look()
    return Effect.sync(() => {
      stopped = true
    })
  })

/** Lets so many turns of the event loop pass that whatever needs no clock has happened, in memory at least. */
export const settled: Effect.Effect<void> = Effect.suspend(() => {
  let turns = 0
  return until(() => ++turns > 20)
})

/** The port of a tcp address, 0 for any other. */
export const portOf = (address: Address): number => (address._tag === "Tcp" ? address.port : 0)

/** A bare Node client, connected, which speaks and reads only as told. */
export const rawClient = (transport: Transport["Service"]) =>
  Effect.acquireRelease(
    Effect.callback<Net.Socket>((resume) => {
      const socket = Net.connect({ host: "127.0.0.1", port: portOf(transport.address), allowHalfOpen: true })
      socket.on("error", () => {})
      socket.once("connect", () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.sync(() => socket.destroy()),
  )

/** A folder that goes with the scope. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "longline-"))),
  (folder) => Effect.sync(() => Fs.rmSync(folder, { recursive: true })),
)
