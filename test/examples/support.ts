/**
 * Starts the examples as people do and talks to them over real sockets. Refuses to build them: `npm test` does that
 * beforehand.
 */
import { afterAll, assert, beforeAll } from "@effect/vitest"
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { fileURLToPath } from "node:url"
import { frame } from "../support/frames.ts"
import * as Spawned from "../support/spawned.ts"

/** A server program that listens. */
export interface Example extends Spawned.Spawned {
  readonly port: number
}

/** Starts a compiled program, and waits for the line that names its address. */
export const start = (program: string, ...args: ReadonlyArray<string>): Promise<Example> =>
  startFile(fileURLToPath(new URL(`../../build/${program}.js`, import.meta.url)), ...args)

/** The same for any file. */
export const startFile = async (file: string, ...args: ReadonlyArray<string>): Promise<Example> => {
  const spawned = Spawned.start(process.execPath, [file, ...args], { hint: "Run npm run build." })
  try {
    const port = await spawned.line("listening line", (line) => /listening on 127\.0\.0\.1:(\d+)/.exec(line)?.[1])
    return { ...spawned, port: Number(port) }
  } catch (error) {
    await spawned.stop("SIGKILL")
    throw error
  }
}

/** An example that runs for all tests of the block it is called in, and drains on SIGTERM behind them. */
export const example = (name: string): (() => Example) => {
  let running: Example | undefined
  beforeAll(async () => {
    running = await start(`examples/${name}`)
  })
  afterAll(async () => {
    const exit = await running?.stop()
    assert.deepStrictEqual(
      { ...exit, last: /drained: \d+ connections reset/.exec(running?.lines.at(-1) ?? "")?.[0] },
      { code: 0, signal: null, last: "drained: 0 connections reset" },
    )
  })
  return () => running!
}

/** Bytes both ways. */
export interface Peer {
  readonly write: (bytes: Uint8Array) => void
  /** The next so many bytes. Fails if the connection ends before. */
  readonly read: (bytes: number) => Promise<Buffer>
  /** Writes JSON behind a big-endian length of 4 bytes. */
  readonly say: (message: unknown) => void
  /** The next frame of that kind, parsed. */
  readonly hear: () => Promise<unknown>
  /** Completes with what is still unread when the other side has ended. */
  readonly ended: () => Promise<Buffer>
  readonly end: () => void
}

/** Connects to an example. */
export const dial = async (port: number): Promise<Peer> => {
  const socket = connect({ host: "127.0.0.1", port })
  await once(socket, "connect")
  return peerOf(socket)
}

const peerOf = (socket: Socket): Peer => {
  const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  let unread = Buffer.alloc(0)

  /** False once nothing more comes. */
  const more = async () => {
    const chunk = await chunks.next()
    if (!chunk.done) unread = Buffer.concat([unread, chunk.value])
    return !chunk.done
  }
  const read = async (bytes: number) => {
    while (unread.length < bytes) {
      if (!(await more())) throw new Error(`the connection ended after ${unread.length} of ${bytes} bytes`)
    }
    const taken = unread.subarray(0, bytes)
    unread = unread.subarray(bytes)
    return taken
  }
  const write = (bytes: Uint8Array) => void socket.write(bytes)
  return {
    write,
    read,
    say: (message) => write(frame(JSON.stringify(message))),
    hear: async () => JSON.parse((await read((await read(4)).readUInt32BE())).toString()) as unknown,
    ended: async () => {
      while (await more()) continue
      return unread
    },
    end: () => void socket.end(),
  }
}
