import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import type { Engine, Page, Range } from "../../../src/gateway/engine/Engine.ts"
import * as LmdbEngine from "../../../src/gateway/engine/LmdbEngine.ts"
import * as LmdbStore from "../../../src/gateway/engine/LmdbStore.ts"
import * as MemoryEngine from "../../../src/gateway/engine/MemoryEngine.ts"
import { freshDirectory } from "./directories.ts"
import { draft, publish } from "./publishing.ts"

const maxChannels = 2
const keys = { windowMs: 12, maxKeys: 2 }
const ageMs = 10

const name = fc.constantFrom("a", "b", "c")
const publication = fc.record({
  name,
  // One byte of JSON or several, so that pages are cut by bytes too.
  value: fc.nat({ max: 3000 }),
  key: fc.option(fc.constantFrom("k", "l", "m"), { nil: undefined }),
})
const range = fc.record({
  since: fc.option(fc.nat({ max: 12 }), { nil: undefined }),
  limit: fc.integer({ min: 1, max: 5 }),
  maxBytes: fc.nat({ max: 12 }),
  reverse: fc.boolean(),
})
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("publish" as const), all: fc.array(publication, { maxLength: 6 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("read" as const), name, range }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat({ max: 8 }) }) },
  // Long enough for a sweep.
  { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constant(1000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("attach" as const), name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("detach" as const), name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const) }) },
)

// None in the log, some, or all until a restart.
const sizes = fc.record({ size: fc.nat({ max: 4 }), maxLogged: fc.constantFrom(1, 2, 5, 12, 1000) })

/** The rules as slowly and plainly as they can be written. */
class Model {
  now = 0
  readonly size: number
  readonly published = new Map<
    string,
    Array<{ readonly offset: number; readonly value: number; readonly at: number }>
  >()
  readonly attached = new Set<string>()
  readonly heard: Array<string> = []
  uses: Array<{ readonly key: string; readonly value: number; readonly offset: number; readonly at: number }> = []

  constructor(size: number) {
    this.size = size
  }

  publish({ key, name: channel, value }: { name: string; value: number; key: string | undefined }) {
    const id = `${channel}/${key}`
    this.uses = this.uses.filter(({ at }) => this.now - at < keys.windowMs)
    const first = key === undefined ? undefined : this.uses.find((use) => use.key === id)
    if (first !== undefined) return first.value === value ? `${first.offset} again` : "KeyReused"
    if (!this.published.has(channel) && this.published.size >= maxChannels) return "ChannelLimit"
    const all = this.published.get(channel) ?? []
    const offset = all.length + 1
    this.published.set(channel, [...all, { offset, value, at: this.now }])
    if (key !== undefined) this.uses = [...this.uses, { key: id, value, offset, at: this.now }].slice(-keys.maxKeys)
    if (this.attached.has(channel)) this.heard.push(`${channel}${offset}=${value}`)
    return `${offset}`
  }

  read(channel: string, { limit, maxBytes, reverse, since }: Range) {
    const all = this.published.get(channel) ?? []
    const top = all.length
    const kept = all.filter(({ at, offset }) => this.now - at < ageMs && offset > top - this.size)
    const inRange = (reverse ? kept.toReversed() : kept).filter(
      ({ offset }) => since === undefined || (reverse ? offset < since : offset > since),
    )
    const page: Array<string> = []
    let bytes = 0
    for (const { offset, value } of inRange) {
      bytes += `${value}`.length
      if (page.length === limit || (bytes > maxBytes && page.length > 0)) break
      page.push(`${offset}=${value}`)
    }
    return { page, top, prunedTo: (kept[0]?.offset ?? top + 1) - 1, more: page.length < inRange.length }
  }
}

/** Every page that may begin or end wrongly. */
const pages: ReadonlyArray<Range> = [undefined, 0, 1, 2, 3, 5, 8].flatMap((since) =>
  [1, 2, 100].flatMap((limit) =>
    [false, true].map((reverse) => ({
      limit,
      maxBytes: 1000,
      reverse,
      ...(since === undefined ? undefined : { since }),
    })),
  ),
)

interface Options extends Omit<MemoryEngine.Options, "maxBytes"> {
  readonly maxLogged: number
  /** Called while a transaction is made, and when it is written and nobody was answered yet. */
  readonly during: () => void
}
type Open = (directory: string, options: Options) => Effect.Effect<Engine["Service"], unknown, Scope.Scope>

/** Runs the steps on an engine and on the model; an engine that does not survive a restart is not restarted. */
const behavesAsModel = (
  open: Open,
  survives: boolean,
  { maxLogged, size }: { readonly size: number; readonly maxLogged: number },
  steps: ReadonlyArray<typeof step extends fc.Arbitrary<infer S> ? S : never>,
) =>
  Effect.gen(function* () {
    const directory = yield* freshDirectory
    const model = new Model(size)
    const heard: Array<string> = []
    let scope = yield* Scope.make()
    let isPublishing = false
    const misread: Array<unknown> = []
    const pageOf = ({ more, position, prunedTo, publications }: Page) => ({
      page: publications.map(({ data, offset }) => `${offset}=${data.type === "json" ? data.text : ""}`),
      top: position.offset,
      prunedTo,
      more,
    })
    const during = () => {
      for (const channel of isPublishing ? ["a", "b", "c"] : []) {
        for (const asked of pages) {
          const [read, right] = [pageOf(Effect.runSync(engine.read(channel, asked))), model.read(channel, asked)]
          if (!Equal.equals(read, right)) misread.push({ channel, asked, read, right })
        }
      }
    }
    const start = () =>
      open(directory, { retention: () => ({ size, ageMs }), maxChannels, keys, maxLogged, during }).pipe(
        Scope.provide(scope),
      )
    let engine = yield* start()
    const { epoch } = yield* engine.position("a")
    for (const each of steps) {
      if (each.do === "wait") {
        model.now += each.ms
        yield* TestClock.adjust(each.ms)
      } else if (each.do === "attach") {
        model.attached.add(each.name)
        const { offset } = yield* engine.attach(each.name, ({ data, offset: at }) => {
          heard.push(`${each.name}${at}=${data.type === "json" ? data.text : ""}`)
        })
        assert.strictEqual(offset, model.published.get(each.name)?.length ?? 0)
      } else if (each.do === "detach") {
        model.attached.delete(each.name)
        yield* engine.detach(each.name)
      } else if (each.do === "restart") {
        if (!survives) continue
        model.attached.clear()
        yield* Scope.close(scope, Exit.void)
        scope = yield* Scope.make()
        engine = yield* start()
      } else if (each.do === "publish") {
        isPublishing = true
        const answers = yield* Effect.all(
          each.all.map(({ key, name: channel, value }) =>
            publish(
              engine,
              draft(
                channel,
                value,
                key === undefined ? {} : { key: { user: undefined, key, fingerprint: `${value}` } },
              ),
            ).pipe(Effect.result),
          ),
          { concurrency: "unbounded" },
        )
        isPublishing = false
        assert.deepStrictEqual(misread, [])
        assert.deepStrictEqual(
          answers.map((answer) => {
            if (Result.isFailure(answer)) return answer.failure.reason
            assert.strictEqual(answer.success.epoch, epoch)
            return `${answer.success.offset}${answer.success.duplicate ? " again" : ""}`
          }),
          each.all.map((one) => model.publish(one)),
        )
      } else {
        const { since, ...rest } = each.range
        const asked: Range = since === undefined ? rest : { ...rest, since }
        const page = yield* engine.read(each.name, asked)
        assert.deepStrictEqual(pageOf(page), model.read(each.name, asked))
        assert.strictEqual(page.position.epoch, epoch)
      }
    }
    assert.deepStrictEqual(heard, model.heard)
    yield* Scope.close(scope, Exit.void)
  }).pipe(Effect.scoped, Effect.provide(TestClock.layer()))

const check = (title: string, open: Open, survives: boolean, numRuns: number) =>
  describe(title, () => {
    it("answers, tells and keeps what the model does", () =>
      fc.assert(
        fc.asyncProperty(sizes, fc.array(step, { maxLength: 40, size: "max" }), (limits, steps) =>
          Effect.runPromise(behavesAsModel(open, survives, limits, steps)),
        ),
        { numRuns },
      ))
  })

check("Memory engine", (_, options) => MemoryEngine.make(options), false, 300)
check(
  "LMDB engine",
  (directory, { during, ...options }) =>
    Effect.suspend(() => {
      const store = LmdbStore.openUnsafe({ directory, sync: "always", reserveBytes: 0, now: 0 })
      const commit: LmdbStore.LmdbStore["commit"] = async (batch, writes) => {
        await store.commit(batch, () => {
          const state = writes()
          during()
          return state
        })
        during()
      }
      return LmdbEngine.fromStore({ ...store, commit }, options)
    }),
  true,
  40,
)
