/**
 * Samples of the engines: publishing with answer, one at a time and fifty in flight, beside what one sync of a file costs.
 * Stores are made when their sample runs, in the system's directory for temporary files: its disk is what is measured.
 */
import { fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { type Engine, LmdbEngine, MemoryEngine } from "longline/gateway"
import type { Sample } from "./Sample.ts"

type Service = Engine.Engine["Service"]

const data = { type: "json", text: JSON.stringify("x".repeat(126)) } as const
const from = { connection: "0123456789ab" }
const retention = () => ({ size: 1000, ageMs: 600_000 })

const once = <A>(make: () => A): (() => A) => {
  let made: { readonly value: A } | undefined
  return () => (made ??= { value: make() }).value
}

const directory = once(() => {
  const path = mkdtempSync(join(tmpdir(), "longline-bench-"))
  process.once("exit", () => rmSync(path, { recursive: true, force: true }))
  return path
})

const open = (make: () => Effect.Effect<Service, unknown, Scope.Scope>) =>
  once(() => Effect.runPromise(make().pipe(Scope.provide(Effect.runSync(Scope.make())))))

/** So many rounds in a call; a publisher publishes again when it is answered. */
const rounds = 4

const publishing = (name: string, inFlight: number, engine: () => Promise<Service>): Sample => ({
  name: `engine, ${name}, ${inFlight} in flight`,
  size: "128 B",
  count: inFlight * rounds,
  run: async () => {
    const { publishUnsafe } = await engine()
    let offsets = 0
    const publisher = (channel: string) =>
      new Promise<void>((resolve) => {
        let left = rounds
        const publish = (): void =>
          publishUnsafe({ channel, data, from }, (accepted) => {
            offsets += Result.getOrThrow(accepted).offset
            if (--left === 0) resolve()
            else publish()
          })
        publish()
      })
    await Promise.all(Array.from({ length: inFlight }, (_, index) => publisher(`channel${index}`)))
    return offsets
  },
})

const synced = once(() => openSync(join(directory(), "synced"), "w"))

const oneSyncEach: Sample = {
  name: "a file, written and synced for each",
  size: "200 B",
  count: 1,
  run: () => {
    const written = writeSync(synced(), Buffer.alloc(200))
    fdatasyncSync(synced())
    return written
  },
}

const memory = open(() => MemoryEngine.make({ retention }))
const lmdb = (["always", "os"] as const).map((sync) => ({
  sync,
  engine: open(() => LmdbEngine.make({ directory: join(directory(), sync), sync, retention })),
}))

/** All of them. */
export const samples: ReadonlyArray<Sample> = [
  publishing("memory", 50, memory),
  oneSyncEach,
  ...lmdb.flatMap(({ engine, sync }) => [1, 50].map((inFlight) => publishing(`lmdb, sync ${sync}`, inFlight, engine))),
]
