import { assert, describe, it } from "@effect/vitest"
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { DirectoryError } from "../../../src/gateway/engine/DataDirectory.ts"
import type { Engine } from "../../../src/gateway/engine/Engine.ts"
import * as LmdbEngine from "../../../src/gateway/engine/LmdbEngine.ts"
import * as LmdbStore from "../../../src/gateway/engine/LmdbStore.ts"
import * as LmdbWriter from "../../../src/gateway/engine/LmdbWriter.ts"
import * as Records from "../../../src/gateway/engine/Records.ts"
import { record } from "../../support/logs.ts"
import { until } from "../../support/wires.ts"
import { freshDirectory } from "./directories.ts"
import { draft, everything, key, publish, publishAll, values } from "./publishing.ts"

const retention = () => ({ size: 1000, ageMs: 600_000 })
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

type More = Partial<LmdbEngine.Options>

/** Opens the directory for as long as `use` takes. */
const using = <A, E>(directory: string, use: (engine: Engine["Service"]) => Effect.Effect<A, E>, more?: More) =>
  Effect.scoped(Effect.flatMap(LmdbEngine.make({ directory, retention, ...more }), use))

/** Changes what the store says of who ran on it last. */
const rewriteRun = (directory: string, change: (run: Records.Run) => Records.Run) =>
  Effect.promise(async () => {
    const { open } = await import("lmdb")
    const root = open<Buffer, Buffer>({ path: directory, noSubdir: false, encoding: "binary", keyEncoding: "binary" })
    const runKey = Buffer.from("run")
    await root.put(runKey, Records.run(change(Records.readRun(root.get(runKey)!))))
    await root.close()
  })

describe("LMDB engine: a restart", () => {
  it.effect("finds publications, positions, epochs and keys as they were, and goes on behind them", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      yield* TestClock.setTime(5000)
      const before = yield* using(directory, (engine) =>
        Effect.gen(function* () {
          yield* publishAll(
            engine,
            numbers(300).map((n) => draft("a", n)),
          )
          yield* publish(engine, draft("b", "b", key("k")))
          return { a: yield* engine.read("a", everything), b: yield* engine.read("b", everything) }
        }),
      )
      yield* TestClock.setTime(4000)
      yield* using(directory, (engine) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* engine.read("a", everything), before.a)
          assert.deepStrictEqual(yield* engine.read("b", everything), before.b)
          assert.deepInclude(engine.counts(), { channels: 2, publications: 301, keys: 1 })
          const again = yield* publish(engine, draft("b", "b", key("k")))
          assert.deepStrictEqual(again, { ...before.b.position, duplicate: true })
          const next = yield* publish(engine, draft("a", "next"))
          assert.deepStrictEqual(next, { offset: 301, epoch: before.a.position.epoch })
          const last = (yield* engine.read("a", { ...everything, since: 300 })).publications
          assert.deepStrictEqual(
            last.map(({ offset, previous, time }) => ({ offset, previous, time })),
            [{ offset: 301, previous: 300, time: 5000 }],
          )
          const fresh = yield* publish(engine, draft("new"))
          assert.deepStrictEqual(fresh, { offset: 1, epoch: before.a.position.epoch })
        }),
      )
    }),
  )

  it.effect("lets what is kept grow older, and expire", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      yield* using(directory, (engine) => publish(engine, draft("a", 1, key("k"))))
      yield* TestClock.adjust(599_999)
      yield* using(directory, (engine) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(values((yield* engine.read("a", everything)).publications), [1])
          // Its window of five minutes is over.
          assert.strictEqual((yield* publish(engine, draft("a", 2, key("k")))).duplicate, undefined)
          yield* TestClock.adjust(1)
          assert.deepStrictEqual(values((yield* engine.read("a", everything)).publications), [2])
          yield* TestClock.adjust(1000)
          yield* until(() => engine.counts().publications === 1)
        }),
      )
    }),
  )

  it.effect("keeps less if less is to be kept from now on", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      const fill = (engine: Engine["Service"]) =>
        publishAll(
          engine,
          numbers(100).map((n) => draft("a", n)),
        )
      yield* using(directory, fill)
      yield* using(
        directory,
        (engine) =>
          Effect.gen(function* () {
            const { prunedTo, publications } = yield* engine.read("a", everything)
            assert.deepStrictEqual([values(publications), prunedTo], [[99, 100], 98])
            yield* fill(engine)
            yield* TestClock.adjust(1000)
            yield* until(() => engine.counts().publications === 2)
          }),
        { retention: () => ({ size: 2, ageMs: 600_000 }) },
      )
    }),
  )

  it.effect("gives every channel another epoch if the machine went down before all was on the disk", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      const publishOne = (sync: LmdbStore.Sync) => using(directory, (engine) => publish(engine, draft("a")), { sync })
      const { epoch } = yield* publishOne("os")
      // A clean stop, whatever the machine did since.
      yield* rewriteRun(directory, (run) => ({ ...run, boot: "another" }))
      assert.strictEqual((yield* publishOne("os")).epoch, epoch)
      // The server died, the machine did not.
      yield* rewriteRun(directory, (run) => ({ ...run, clean: false }))
      assert.strictEqual((yield* publishOne("always")).epoch, epoch)
      // The machine died under `always`.
      yield* rewriteRun(directory, (run) => ({ ...run, clean: false, boot: "another" }))
      assert.strictEqual((yield* publishOne("os")).epoch, epoch)
      yield* rewriteRun(directory, (run) => ({ ...run, clean: false, boot: "another" }))
      // A start that writes nothing does not forget what it found.
      yield* using(directory, () => Effect.void, { sync: "os" })
      const after = yield* publishOne("os")
      assert.notStrictEqual(after.epoch, epoch)
      assert.deepStrictEqual(yield* publishOne("os"), { offset: after.offset + 1, epoch: after.epoch })
    }),
  )

  it.effect("gives every channel another epoch if the directory is a copy", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      const { epoch } = yield* using(directory, (engine) => publish(engine, draft("a")))
      const copy = `${directory}-copy`
      cpSync(directory, copy, { recursive: true })
      const after = yield* using(copy, (engine) => publish(engine, draft("a")))
      assert.strictEqual(after.offset, 2)
      assert.notStrictEqual(after.epoch, epoch)
      assert.deepStrictEqual(yield* using(copy, (engine) => engine.position("a")), after)
    }),
  )
})

describe("LMDB engine: a directory", () => {
  const errorOf = (directory: string) =>
    Effect.scoped(Effect.flip(LmdbEngine.make({ directory, retention }))).pipe(
      Effect.tap((error) => Effect.sync(() => assert.instanceOf(error, DirectoryError))),
    )

  const contentOf = (directory: string) =>
    readdirSync(directory)
      .toSorted()
      .map((name) => [name, readFileSync(join(directory, name)).toString("base64")])

  const filled = Effect.gen(function* () {
    const directory = yield* freshDirectory
    yield* using(directory, (engine) =>
      publishAll(
        engine,
        numbers(1000).map((n) => draft("a", "x".repeat(3000) + n)),
      ),
    )
    return directory
  })

  it.effect("that is empty, or a new file system, or not there, becomes a store", () =>
    Effect.gen(function* () {
      const directory = join(yield* freshDirectory, "deep/er")
      yield* using(directory, (engine) => publish(engine, draft("a")))
      const empty = yield* freshDirectory
      mkdirSync(join(empty, "lost+found"), { recursive: true })
      yield* using(empty, (engine) => publish(engine, draft("a")))
    }),
  )

  it.effect("of somebody else's is refused and left as it is", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      mkdirSync(directory)
      writeFileSync(join(directory, "data.mdb"), "not ours")
      const before = contentOf(directory)
      const error = yield* errorOf(directory)
      assert.strictEqual(error.reason, "Foreign")
      assert.strictEqual(
        error.message,
        `data directory ${directory}: holds 1 entries that are not of a longline store (data.mdb); ` +
          "choose an empty directory, or one that does not exist",
      )
      assert.deepStrictEqual(contentOf(directory), before)
    }),
  )

  it.effect("of another format is refused and left as it is", () =>
    Effect.gen(function* () {
      const directory = yield* filled
      writeFileSync(join(directory, "longline.format"), "longline data, format 2, ready\n")
      const before = contentOf(directory)
      const error = yield* errorOf(directory)
      assert.deepStrictEqual([error.reason, error.observed], ["Format", "its format is 2, this version knows 1"])
      assert.deepStrictEqual(contentOf(directory), before)
    }),
  )

  it.effect("that is damaged is refused and left as it is", () =>
    Effect.gen(function* () {
      const damages: ReadonlyArray<readonly [string, (path: string) => void]> = [
        ["longline.format", (path) => writeFileSync(path, "?")],
        ["data.mdb", (path) => truncateSync(path, statSync(path).size / 2)],
        ["data.mdb", (path) => truncateSync(path, 100)],
        ["data.mdb", (path) => writeFileSync(path, Buffer.alloc(statSync(path).size))],
      ]
      for (const [name, damage] of damages) {
        const directory = yield* filled
        damage(join(directory, name))
        const before = contentOf(directory)
        const error = yield* errorOf(directory)
        assert.strictEqual(error.reason, "Damaged")
        assert.include(error.message, directory)
        assert.include(error.message, "restore it from a backup")
        assert.deepStrictEqual(contentOf(directory), before)
      }
    }),
  )

  it.effect("that a file stands in the way of, is refused", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      writeFileSync(directory, "")
      for (const [path, seen] of [
        [directory, `EEXIST: file already exists, mkdir '${directory}'`],
        [join(directory, "a"), `ENOTDIR: not a directory, mkdir '${join(directory, "a")}'`],
      ] as const) {
        const advice = "a file is in its place, or in that of a directory above: choose another path"
        const { message, reason } = yield* errorOf(path)
        assert.deepStrictEqual([reason, message], ["Unusable", `data directory ${path}: ${seen}; ${advice}`])
      }
    }),
  )

  it.effect("is made with those above it, unless the system has none to give", () =>
    Effect.gen(function* () {
      const directory = join(yield* freshDirectory, "a", "b")
      yield* Effect.scoped(LmdbEngine.make({ directory, retention }))
      assert.isTrue(existsSync(join(directory, "data.mdb")))
      const { message } = yield* errorOf("/proc/longline/data")
      assert.match(
        message,
        /^data directory \/proc\/longline\/data: ENOENT: .*, mkdir '\/proc\/longline'; make it readable/,
      )
    }),
  )

  it.effect("whose making was broken off is made again", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      mkdirSync(directory)
      writeFileSync(join(directory, "longline.format"), "longline data, format 1, new\n")
      writeFileSync(join(directory, "data.mdb"), "half")
      writeFileSync(join(directory, "notes"), "somebody's")
      assert.strictEqual((yield* using(directory, (engine) => publish(engine, draft("a")))).offset, 1)
      assert.strictEqual(readFileSync(join(directory, "notes"), "utf8"), "somebody's")
    }),
  )

  it.effect("that is open already is refused, and free again after", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      yield* using(directory, (engine) =>
        Effect.gen(function* () {
          yield* publish(engine, draft("a"))
          const error = yield* errorOf(directory)
          assert.deepStrictEqual(
            [error.reason, error.observed],
            ["InUse", `another server has it open (process ${process.pid})`],
          )
          yield* publish(engine, draft("a"))
        }),
      )
      assert.strictEqual((yield* using(directory, (engine) => publish(engine, draft("a")))).offset, 3)
    }),
  )
})

describe("LMDB engine: a disk", () => {
  /** A store whose next transaction ends as told. */
  const withStore = Effect.gen(function* () {
    const directory = yield* freshDirectory
    const store = LmdbStore.openUnsafe({ directory, sync: "always", reserveBytes: 0, now: 0 })
    const control = { hasSpace: true, commit: store.commit }
    const scope = yield* Scope.make()
    const engine = yield* LmdbEngine.fromStore(
      { ...store, hasSpace: () => control.hasSpace, commit: (batch, writes) => control.commit(batch, writes) },
      { retention },
    ).pipe(Scope.provide(scope))
    return { directory, engine, control, close: Scope.close(scope, Exit.void) }
  })

  it.effect("that fails makes that transaction's drafts and all later ones unavailable, and nothing else", () =>
    Effect.gen(function* () {
      const { close, control, directory, engine } = yield* withStore
      const heard: Array<number> = []
      const { epoch } = yield* engine.attach("a", ({ offset }) => heard.push(offset))
      yield* publish(engine, draft("a", 1, key("k")))
      control.commit = () => Promise.reject(new Error("EIO"))
      const [error, duplicate] = yield* Effect.all(
        [Effect.flip(publish(engine, draft("a"))), publish(engine, draft("a", 1, key("k")))],
        { concurrency: 2 },
      )
      assert.deepInclude(error, { reason: "Unavailable", detail: "the store could not be written" })
      assert.strictEqual(String(error.cause), "Error: EIO")
      assert.deepStrictEqual(duplicate, { offset: 1, epoch, duplicate: true })
      assert.strictEqual((yield* Effect.flip(publish(engine, draft("a")))).reason, "Unavailable")
      assert.strictEqual((yield* Effect.flip(engine.health)).reason, "Unavailable")
      assert.deepStrictEqual(yield* engine.position("a"), { offset: 1, epoch })
      assert.deepStrictEqual(heard, [1])
      yield* engine.room
      yield* close
      assert.deepStrictEqual(yield* using(directory, (again) => publish(again, draft("a"))), { offset: 2, epoch })
    }),
  )

  it.effect("that is almost full refuses publications until it has room, reads on, and says so", () => {
    const { layer, lines } = record()
    return Effect.gen(function* () {
      const { close, control, directory, engine } = yield* withStore
      yield* publish(engine, draft("a", 1))
      control.hasSpace = false
      yield* TestClock.adjust(1000)
      const error = yield* Effect.flip(publish(engine, draft("a", 2)))
      assert.deepInclude(error, { reason: "Unavailable", detail: "the disk is almost full" })
      assert.strictEqual((yield* Effect.flip(engine.health)).reason, "Unavailable")
      assert.deepStrictEqual(values((yield* engine.read("a", everything)).publications), [1])
      control.hasSpace = true
      yield* TestClock.adjust(1000)
      assert.strictEqual((yield* publish(engine, draft("a", 2))).offset, 2)
      yield* engine.health
      yield* close
      assert.deepStrictEqual(
        lines.map(({ level, message }) => [level, message]),
        [
          [
            "ERROR",
            `the disk of data directory ${directory} is almost full: publications are refused until it has room`,
          ],
          ["INFO", `the disk of data directory ${directory} has room again: publications are taken`],
        ],
      )
    }).pipe(Effect.provide(layer))
  })

  it.live("with less than the reserve is almost full", () =>
    Effect.gen(function* () {
      const directory = yield* freshDirectory
      const error = yield* using(directory, (engine) => Effect.flip(publish(engine, draft("a"))), {
        reserveBytes: Number.MAX_SAFE_INTEGER,
      })
      assert.strictEqual(error.detail, "the disk is almost full")
    }),
  )

  it.effect("that is slow has so many drafts waiting and no more, and tells when there is room", () =>
    Effect.gen(function* () {
      const { close, control, engine } = yield* withStore
      let go = (): void => undefined
      const { commit } = control
      control.commit = (batch, writes) =>
        new Promise<void>((resolve) => {
          go = resolve
        }).then(() => commit(batch, writes))
      const first = yield* Effect.forkChild(publish(engine, draft("a")), { startImmediately: true })
      yield* Effect.promise(() => new Promise(setImmediate))
      yield* engine.room
      // It is on its way: nobody has been told, and nobody reads it.
      const { epoch } = yield* engine.position("a")
      const nothing = { publications: [], position: { offset: 0, epoch }, prunedTo: 0, more: false }
      assert.deepStrictEqual(yield* engine.read("a", everything), nothing)
      assert.deepStrictEqual(yield* engine.attach("a", () => undefined), { offset: 0, epoch })
      const rest = yield* Effect.forkChild(
        publishAll(
          engine,
          numbers(LmdbWriter.maxWaiting).map((n) => draft("a", n)),
        ),
        { startImmediately: true },
      )
      const error = yield* Effect.flip(publish(engine, draft("a")))
      assert.deepInclude(error, {
        reason: "Unavailable",
        detail: "10000 publications, 38895 bytes, wait to be written, more are not taken",
      })
      const room = yield* Effect.forkChild(engine.room, { startImmediately: true })
      assert.strictEqual(room.pollUnsafe(), undefined)
      control.commit = commit
      go()
      yield* Fiber.join(first)
      yield* Fiber.join(room)
      assert.strictEqual((yield* Fiber.join(rest)).at(-1)?.offset, LmdbWriter.maxWaiting + 1)
      yield* close
    }),
  )

  it.effect("that is slow has so many bytes waiting and takes no more, and tells when there is room", () =>
    Effect.gen(function* () {
      const { close, control, engine } = yield* withStore
      const { commit } = control
      const gate = yield* Deferred.make<void>()
      control.commit = (batch, writes) => Effect.runPromise(Deferred.await(gate)).then(() => commit(batch, writes))
      const start = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(effect, { startImmediately: true })
      const first = yield* start(publish(engine, draft("a")))
      yield* Effect.promise(() => new Promise(setImmediate))
      // Half of what may wait, less a byte, in publications that fit into a frame.
      const pieceBytes = 512 * 1024
      const pieces = LmdbWriter.maxWaitingBytes / 2 / pieceBytes
      const half = Effect.forEach(numbers(pieces), (n) =>
        start(publish(engine, draft("a", "x".repeat(pieceBytes - 2 - (n === pieces ? 1 : 0))))),
      )
      const rest = [...(yield* half)]
      yield* engine.room
      rest.push(...(yield* half))
      const room = yield* start(engine.room)
      // One byte is left.
      rest.push(yield* start(publish(engine, draft("a"))))
      const error = yield* Effect.flip(publish(engine, draft("a")))
      assert.deepInclude(error, {
        reason: "Unavailable",
        detail: `${2 * pieces + 1} publications, ${LmdbWriter.maxWaitingBytes} bytes, wait to be written, more are not taken`,
      })
      assert.strictEqual(room.pollUnsafe(), undefined)
      yield* Deferred.succeed(gate, undefined)
      const offsets = yield* Effect.forEach([first, ...rest], (fiber) =>
        Effect.map(Fiber.join(fiber), ({ offset }) => offset),
      )
      assert.deepStrictEqual(offsets, numbers(2 * pieces + 2))
      yield* Fiber.join(room)
      yield* close
    }),
  )

  it.effect("gets what waits when the engine is closed", () =>
    Effect.gen(function* () {
      const { close, directory, engine } = yield* withStore
      const all = yield* Effect.forkChild(
        publishAll(
          engine,
          numbers(100).map((n) => draft("a", n)),
        ),
        { startImmediately: true },
      )
      yield* close
      assert.strictEqual((yield* Fiber.join(all)).length, 100)
      assert.strictEqual((yield* Effect.flip(publish(engine, draft("a")))).detail, "the server is stopping")
      assert.strictEqual((yield* using(directory, (again) => again.position("a"))).offset, 100)
    }),
  )
})
