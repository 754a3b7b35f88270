/** What a client does for its user while the connection holds. In memory. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { ServiceError } from "../../src/client/Client.ts"
import * as ClientError from "../../src/client/ClientError.ts"
import { settled } from "../support/wires.ts"
import { brief, hear, networkIn, pass } from "./support.ts"

/** The reason of a failure. */
const reasonOf = <A>(effect: Effect.Effect<A, ClientError.ClientError>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

describe.each(["json", "protobuf"] as const)("in %s,", (encoding) => {
  const network = networkIn(encoding)

  describe("channels", () => {
    it.effect("are heard from the first item on, which says where they stand", () =>
      Effect.gen(function* () {
        const { client } = yield* network()
        const ann = yield* client()
        const heard = yield* hear(ann.subscribe("news"))
        const { epoch, ...published } = yield* ann.publish("news", { title: "hello" }, { tags: { lang: "en" } })
        yield* settled
        assert.deepStrictEqual(published, { offset: 1, duplicate: false })
        assert.deepStrictEqual(brief(heard.items), ["subscribed none", { title: "hello" }])
        assert.deepInclude(heard.items[1], { offset: 1, previous: 0, epoch, tags: { lang: "en" } })
      }),
    )

    it.effect("carry every JSON value, and bytes as bytes", () =>
      Effect.gen(function* () {
        const { client } = yield* network()
        const ann = yield* client()
        const heard = yield* hear(ann.subscribe("all"))
        const values = [null, 0, "ü\u2028", [], { data: { binary: true } }, new Uint8Array([0, 255, 128])]
        yield* Effect.forEach(values, (value) => ann.publish("all", value))
        yield* settled
        assert.deepStrictEqual(brief(heard.items).slice(1), values)
        const history = yield* ann.history("all", { limit: 2, reverse: true })
        assert.deepStrictEqual(
          history.publications.map(({ data }) => data),
          [values[5], values[4]],
        )
      }),
    )

    it.effect("are left when their Stream ends, and can be joined again", () =>
      Effect.gen(function* () {
        const { client } = yield* network()
        const [ann, ben] = [yield* client(), yield* client()]
        yield* ann.publish("a", 1)
        const heard = yield* hear(Stream.take(ann.subscribe("a"), 2))
        yield* ben.publish("a", 2)
        yield* Fiber.join(heard.fiber)
        yield* ben.publish("a", 3)
        const again = yield* hear(ann.subscribe("a"))
        yield* ben.publish("a", 4)
        yield* settled
        assert.deepStrictEqual(brief(heard.items), ["subscribed none", 2])
        assert.deepStrictEqual(brief(again.items), ["subscribed none", 4])
      }),
    )

    it.effect("go on from a position that was stored", () =>
      Effect.gen(function* () {
        const { client } = yield* network()
        const ann = yield* client()
        const { epoch } = yield* ann.publish("a", 1)
        yield* ann.publish("a", 2)
        const heard = yield* hear(ann.subscribe("a", { position: { offset: 1, epoch } }))
        const lost = yield* hear((yield* client()).subscribe("a", { position: { offset: 1, epoch: "another" } }))
        assert.deepStrictEqual(brief(heard.items), ["subscribed yes", 2])
        assert.deepStrictEqual(brief(lost.items), ["subscribed no"])
      }),
    )

    it.effect("have one Stream at a time", () =>
      Effect.gen(function* () {
        const { client } = yield* network()
        const ann = yield* client()
        yield* hear(ann.subscribe("a"))
        const second = yield* reasonOf(Stream.runDrain(ann.subscribe("a")))
        assert.deepStrictEqual(second, new ClientError.AlreadyInUse({ name: "a" }))
      }),
    )

    it.effect("that are refused fail their Stream with the gateway's reason", () =>
      Effect.gen(function* () {
        const { client } = yield* network()
        const ann = yield* client()
        const reason = yield* reasonOf(Stream.runDrain(ann.subscribe("")))
        assert.deepInclude(reason, { _tag: "Refused", code: 107, retry: false })
      }),
    )

    it.effect("tell who is present", () =>
      Effect.gen(function* () {
        const { client } = yield* network()
        const [ann, ben] = [yield* client(), yield* client()]
        const heard = yield* hear(ann.subscribe("a", { presence: true }))
        yield* hear(ben.subscribe("a", { presence: true }))
        yield* pass("1 seconds")
        assert.deepStrictEqual(brief(heard.items), ["subscribed none", "presenceChanged"])
        const { count, members } = yield* ann.presence("a")
        assert.deepStrictEqual([count, members.length], [2, 2])
      }),
    )

    it.effect("list nobody as present whose client was closed, without the grace of one that was lost", () =>
      Effect.gen(function* () {
        const { client } = yield* network()
        const ann = yield* client()
        const staying = yield* Scope.make()
        const ben = yield* Scope.provide(client(), staying)
        yield* hear(ann.subscribe("a", { presence: true }))
        yield* hear(ben.subscribe("a", { presence: true }))
        assert.strictEqual((yield* ann.presence("a")).count, 2)
        yield* Scope.close(staying, Exit.void)
        yield* settled
        assert.strictEqual((yield* ann.presence("a")).count, 1)
      }),
    )

    it.effect("leave out what the client published itself without echo, and miss nothing else for it", () =>
      Effect.gen(function* () {
        const { client, wires } = yield* network()
        const [ann, ben] = [yield* client(), yield* client()]
        const heard = yield* hear(ann.subscribe("a"))
        const before = wires[0]!.receivedUnsafe()
        yield* ann.publish("a", 1, { echo: false })
        yield* ben.publish("a", 2)
        yield* settled
        assert.deepStrictEqual(brief(heard.items), ["subscribed none", 2])
        // One answer and one publication: nothing was asked for again.
        assert.isBelow(wires[0]!.receivedUnsafe() - before, 400)
      }),
    )
  })

  describe("publishing", () => {
    it.effect("what JSON cannot hold sends nothing", () =>
      Effect.gen(function* () {
        const { client } = yield* network()
        const ann = yield* client()
        for (const value of [undefined, 1n, () => 0, new ArrayBuffer(2), new Float32Array(2)]) {
          assert.deepInclude(yield* reasonOf(ann.publish("a", value)), { _tag: "Unsendable" })
        }
        assert.deepInclude(yield* reasonOf(ann.publish("a", "x".repeat(64 * 1024))), { _tag: "Unsendable" })
        assert.deepInclude(yield* ann.publish("a", 1), { offset: 1 })
      }),
    )

    it.effect("twice under one key is once, and other data under it is refused", () =>
      Effect.gen(function* () {
        const { client } = yield* network()
        const ann = yield* client()
        assert.deepInclude(yield* ann.publish("a", 1, { key: "k" }), { offset: 1, duplicate: false })
        assert.deepInclude(yield* ann.publish("a", 1, { key: "k" }), { offset: 1, duplicate: true })
        assert.deepInclude(yield* reasonOf(ann.publish("a", 2, { key: "k" })), { _tag: "Refused", code: 118 })
      }),
    )
  })

  describe("services", () => {
    it.effect("answer requests, each in a fiber of its own", () =>
      Effect.gen(function* () {
        const { client } = yield* network()
        const [ann, ben] = [yield* client(), yield* client()]
        yield* ben.serve("double", ({ data }) =>
          data === 0 ? Effect.never : Effect.succeed(typeof data === "number" ? data * 2 : new Uint8Array([1])),
        )
        yield* Effect.forkScoped(ann.request("double", 0))
        assert.deepStrictEqual(yield* ann.request("double", 21), 42)
        assert.deepStrictEqual(yield* ann.request("double", null), new Uint8Array([1]))
      }),
    )

    it.effect("refuse with a code of their own, and keep what went wrong inside to themselves", () =>
      Effect.gen(function* () {
        const { client } = yield* network()
        const ann = yield* client()
        yield* ann.serve("s", ({ data }) =>
          data === "die"
            ? Effect.die(new Error("secret"))
            : Effect.fail(new ServiceError({ code: 234, message: "no" })),
        )
        assert.deepInclude(yield* reasonOf(ann.request("s", 1)), { _tag: "Refused", code: 234, message: "no" })
        const died = yield* reasonOf(ann.request("s", "die"))
        assert.deepInclude(died, { _tag: "Refused", code: 100, message: "internal error" })
        assert.deepInclude(yield* reasonOf(ann.request("nobody", 1)), { _tag: "Refused", code: 114, retry: true })
      }),
    )

    it.effect("whose answer is too large for a frame refuse at once with error 116", () =>
      Effect.gen(function* () {
        const { client } = yield* network()
        const ann = yield* client()
        yield* ann.serve("s", ({ data }) => Effect.succeed("x".repeat(Number(data))))
        assert.deepInclude(yield* reasonOf(ann.request("s", 64 * 1024)), { _tag: "Refused", code: 116, retry: false })
        assert.strictEqual(yield* ann.request("s", 1), "x")
      }),
    )

    it.effect("are not asked any more when their scope has closed", () =>
      Effect.gen(function* () {
        const { client } = yield* network()
        const ann = yield* client()
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* ann.serve("s", () => Effect.succeed(1))
            const second = yield* reasonOf(Effect.scoped(ann.serve("s", () => Effect.succeed(2))))
            assert.deepStrictEqual(second, new ClientError.AlreadyInUse({ name: "s" }))
            assert.strictEqual(yield* ann.request("s", 0), 1)
          }),
        )
        assert.deepInclude(yield* reasonOf(ann.request("s", 0)), { code: 114 })
      }),
    )

    it.effect("a request that is interrupted interrupts its responder", () =>
      Effect.gen(function* () {
        const { client } = yield* network()
        const [ann, ben] = [yield* client(), yield* client()]
        const ends: Array<string> = []
        yield* ben.serve("s", () =>
          Effect.onExit(Effect.never, (exit) =>
            Effect.sync(
              () => void ends.push(Exit.isFailure(exit) && Cause.hasInterrupts(exit.cause) ? "interrupted" : "?"),
            ),
          ),
        )
        const asking = yield* Effect.forkScoped(ann.request("s", 1))
        yield* settled
        yield* Fiber.interrupt(asking)
        yield* settled
        assert.deepStrictEqual(ends, ["interrupted"])
      }),
    )

    it.effect("a request that is not answered in time has an unknown outcome", () =>
      Effect.gen(function* () {
        const { client } = yield* network()
        const ann = yield* client()
        yield* ann.serve("s", () => Effect.never)
        const asking = yield* Effect.forkScoped(reasonOf(ann.request("s", 1, { timeout: "2 seconds" })))
        yield* pass("3 seconds")
        assert.strictEqual((yield* Fiber.join(asking))._tag, "OutcomeUnknown")
      }),
    )
  })
})
