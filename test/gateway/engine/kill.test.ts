/**
 * `kill -9` while publishing, again and again, on one store. Needs a build. Ten times on 20 000 publications, in seconds;
 * `npm run test:kill` does it fifty times on a million.
 */
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as LmdbEngine from "../../../src/gateway/engine/LmdbEngine.ts"
import * as Spawned from "../../support/spawned.ts"
import { freshDirectory } from "./directories.ts"
import { everything } from "./publishing.ts"

const kills = Number(process.env["LONGLINE_KILLS"] ?? 10)
const stored = Number(process.env["LONGLINE_STORED"] ?? 20_000)
const maxOpenMs = 2000

const program = fileURLToPath(new URL("publisher.mjs", import.meta.url))
const run = (...args: ReadonlyArray<string>) =>
  Spawned.start(process.execPath, [program, ...args], { hint: "Run `npm run build` first." })
const readyOf = (publisher: Spawned.Spawned) =>
  publisher.line("its ready line", (line) => /^ready (\d+)$/.exec(line)?.[1])

describe("LMDB engine", () => {
  it.live("refuses a directory while another process has it, and opens it when that one was killed", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      const first = run(directory, "always", join(directory, "..", "log"))
      yield* Effect.promise(() => readyOf(first))
      const error = yield* Effect.flip(Effect.scoped(open(directory)))
      assert.strictEqual(error.reason, "InUse")
      assert.match(error.message, /another server has it open \(process \d+\); stop that one/)
      const second = run(directory, "always", join(directory, "..", "log"))
      assert.strictEqual((yield* Effect.promise(() => second.exited)).code, 1)
      yield* Effect.promise(() => first.stop("SIGKILL"))
      yield* Effect.scoped(open(directory))
    }),
  )

  for (const sync of ["always", "os"] as const) {
    it.live(
      `loses nothing that it answered and gives no offset twice, killed ${kills} times with sync: ${sync}`,
      () =>
        Effect.gen(function* () {
          const directory = yield* freshDirectory
          const log = join(directory, "..", "log")
          const tops = yield* Effect.promise(async () => {
            const filling = run(directory, "os", log, `${stored}`)
            await readyOf(filling)
            assert.deepStrictEqual(await filling.exited, { code: 0, signal: null })
          }).pipe(Effect.andThen(Effect.scoped(topsOf(directory))))

          const opened: Array<number> = []
          for (let kill = 0; kill < kills; kill++) {
            yield* Effect.promise(async () => {
              const publisher = run(directory, sync, log)
              opened.push(Number(await readyOf(publisher)))
              // At any moment of its life: the one wait of these tests that is for time.
              const moment = Math.random() * 300
              await new Promise((resolve) => setTimeout(resolve, moment))
              assert.deepStrictEqual(await publisher.stop("SIGKILL"), { code: null, signal: "SIGKILL" })
            })
          }
          assert.isBelow(Math.max(...opened), maxOpenMs)

          const promised = new Map<string, string>()
          const lines = readFileSync(log, "utf8").split("\n").slice(0, -1)
          for (const line of lines) {
            const [kind, channel, offset, epoch, id] = line.split(" ")
            assert.include(["answered", "told"], kind, line)
            const place = `${channel} ${offset} ${epoch}`
            assert.strictEqual(promised.get(place) ?? id, id, `${place} was given twice`)
            promised.set(place, id!)
          }
          const kept = yield* Effect.scoped(keptIn(directory, tops))
          const missing = [...promised].filter(([place, id]) => kept.get(place) !== id)
          assert.deepStrictEqual(missing, [])
          yield* Effect.log(
            `sync ${sync}: ${kills} kills on ${stored} stored, ${promised.size} promised, ` +
              `opened in ${Math.max(...opened)} ms at the most`,
          )
        }),
      10 * 60_000,
    )
  }
})

const open = (directory: string) =>
  LmdbEngine.make({ directory, retention: () => ({ size: 10_000_000, ageMs: 86_400_000 }) })

const names = Array.from({ length: 20 }, (_, n) => `c${n}`)

const topsOf = Effect.fnUntraced(function* (directory: string) {
  const engine = yield* open(directory)
  assert.strictEqual(engine.counts().publications, stored)
  const positions = yield* Effect.forEach(names, (name) => engine.position(name))
  return new Map(names.map((name, index) => [name, positions[index]!.offset]))
})

/** The ids behind the tops, by channel, offset and epoch; without a hole. */
const keptIn = Effect.fnUntraced(function* (directory: string, tops: ReadonlyMap<string, number>) {
  const engine = yield* open(directory)
  const kept = new Map<string, string>()
  for (const name of names) {
    const since = tops.get(name)!
    const { position, publications } = yield* engine.read(name, { ...everything, since })
    assert.strictEqual(publications.length, position.offset - since)
    publications.forEach(({ data, offset, previous }, index) => {
      assert.deepStrictEqual([offset, previous], [since + index + 1, since + index])
      if (data.type === "json") kept.set(`${name} ${offset} ${position.epoch}`, JSON.parse(data.text).id)
    })
  }
  return kept
})
