/**
 * What every transport promises, as one suite that runs against each of them.
 * Sees wires only: what a transport is made of is none of its business.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { Transport, TransportError, Wire } from "../../src/transport/Transport.ts"
import { acceptOne, chunked, lossOf, pattern, readAll, readBytes, turn, until, writeAll } from "../support/wires.ts"

/** The bounds that the suite sets. */
export interface ContractOptions {
  readonly readBufferBytes?: number
  readonly acceptBacklog?: number
}

/** A listener and the way to reach it. `dial` gives a client whose handshake is done. */
export interface Listening {
  readonly transport: Transport["Service"]
  readonly dial: Effect.Effect<Wire, TransportError, Scope.Scope>
}

/** One transport under test. */
export interface Subject {
  readonly listen: (options: ContractOptions) => Effect.Effect<Listening, unknown, Scope.Scope>
  /** An abort reaches the peer as a reset. A unix socket has none: its peer sees the end, or a broken pipe. */
  readonly resets: boolean
  /** False for the adapter over `SocketServer`, which says in its header what it cannot do. */
  readonly native: boolean
}

/** More than the kernel takes for a peer that does not read (4 MB to send and 6 MB to receive by default). */
const tooMuch = 16 * 1024 * 1024

/** A rule of those transports only that promise it: for the others it is no test at all, and none that was skipped. */
const rule =
  (isPromised: boolean) =>
  <A, E>(title: string, test: () => Effect.Effect<A, E, Scope.Scope>): void => {
    if (isPromised) it.live(title, test)
  }

/** Runs the suite against one transport. */
export const transportContract = (name: string, { listen, native, resets }: Subject): void => {
  const pair = (options: ContractOptions = {}) =>
    Effect.gen(function* () {
      const { dial, transport } = yield* listen(options)
      const client = yield* dial
      const server = yield* acceptOne(transport)
      // One byte ahead of every test: what a TLS handshake sends behind itself has arrived then.
      server.writeUnsafe([Buffer.from("!")])
      yield* readBytes(client, 1)
      return { transport, dial, client, server }
    })

  describe(`${name} transport`, () => {
    it.live("delivers bytes in order, both ways, however they were cut", () =>
      Effect.gen(function* () {
        const { client, server } = yield* pair()
        const [up, down] = [pattern(100_000, 1), pattern(100_000, 2)]
        const sending = Effect.all(
          [
            writeAll(client, chunked(up, [1, 2, 3, 500, 7, 65_000]), 3),
            writeAll(server, chunked(down, [9000, 1, 1, 17]), 1),
          ],
          { concurrency: 2 },
        ).pipe(
          Effect.tap(() =>
            Effect.sync(() => {
              client.endUnsafe()
              server.endUnsafe()
            }),
          ),
        )
        const [, gotUp, gotDown] = yield* Effect.all([sending, readAll(server), readAll(client)], { concurrency: 3 })
        assert.isTrue(up.equals(gotUp))
        assert.isTrue(down.equals(gotDown))
        yield* server.closed
        assert.deepStrictEqual([server.receivedUnsafe(), client.receivedUnsafe()], [100_000, 100_001])
      }),
    )

    it.live("ends the pull after the peer's FIN, for good, and still writes the other way", () =>
      Effect.gen(function* () {
        const { client, server } = yield* pair()
        client.writeUnsafe([Buffer.from("question")])
        client.endUnsafe()
        assert.strictEqual(String(yield* readAll(server)), "question")
        assert.isTrue(Cause.isDone(yield* Effect.flip(server.pull)))
        yield* turn
        server.writeUnsafe([Buffer.from("answer")])
        server.endUnsafe()
        assert.strictEqual(String(yield* readAll(client)), "answer")
        yield* Effect.all([server.closed, client.closed])
      }),
    )

    it.live("flushes what was written before its FIN, and swallows what is written behind it", () =>
      Effect.gen(function* () {
        const { client, server } = yield* pair()
        const bytes = pattern(1_000_000)
        server.writeUnsafe([bytes])
        server.endUnsafe()
        assert.isTrue(server.writeUnsafe([Buffer.from("too late")]))
        assert.isTrue(bytes.equals(yield* readAll(client)))
      }),
    )

    rule(resets && native)("sees a reset while nobody pulls", () =>
      Effect.gen(function* () {
        const { client, server } = yield* pair()
        client.abortUnsafe()
        const error = yield* lossOf(server)
        assert.deepInclude(error.reason, { _tag: "WireLost", code: "ECONNRESET" })
        assert.strictEqual(yield* lossOf(server), error)
        yield* server.closed
      }),
    )

    rule(resets)("fails the waiting pull after a reset", () =>
      Effect.gen(function* () {
        const { client, server } = yield* pair()
        const waiting = yield* Effect.forkChild(Effect.flip(server.pull), { startImmediately: true })
        client.abortUnsafe()
        const error = yield* Fiber.join(waiting)
        assert.isFalse(Cause.isDone(error))
        assert.deepInclude((error as TransportError).reason, { _tag: "WireLost", code: "ECONNRESET" })
        assert.strictEqual(yield* Effect.flip(server.pull), error)
      }),
    )

    it.live("loses nothing when a pull is interrupted", () =>
      Effect.gen(function* () {
        const { client, server } = yield* pair()
        const waiting = yield* Effect.forkChild(server.pull, { startImmediately: true })
        yield* Fiber.interrupt(waiting)
        client.writeUnsafe([Buffer.from("first ")])
        yield* until(() => !native || server.receivedUnsafe() === 6)
        const again = yield* Effect.forkChild(Effect.andThen(server.pull, Effect.never), { startImmediately: false })
        yield* Fiber.interrupt(again)
        client.writeUnsafe([Buffer.from("second")])
        assert.strictEqual(String(yield* readBytes(server, 12)), "first second")
      }),
    )

    it.live("asks a writer to wait for a peer that does not read, until it reads", () =>
      Effect.gen(function* () {
        const { client, server } = yield* pair()
        assert.isFalse(server.writeUnsafe([pattern(tooMuch)]))
        const draining = yield* Effect.forkChild(server.drained, { startImmediately: true })
        assert.strictEqual(draining.pollUnsafe(), undefined)
        const got = yield* readBytes(client, tooMuch)
        yield* Fiber.join(draining)
        assert.strictEqual(server.unsentUnsafe(), 0)
        assert.isTrue(pattern(tooMuch).equals(got))
        yield* server.drained
      }),
    )

    it.live("fails a wait for drained when the wire is lost meanwhile, and swallows what is written then", () =>
      Effect.gen(function* () {
        const { client, server } = yield* pair()
        server.writeUnsafe([pattern(tooMuch)])
        const draining = yield* Effect.forkChild(Effect.flip(server.drained), { startImmediately: true })
        // The adapter does not look at its socket while it waits for it, so there this side has to give up.
        if (native) client.abortUnsafe()
        else server.abortUnsafe()
        const error = yield* Fiber.join(draining)
        assert.strictEqual(error.reason._tag, "WireLost")
        assert.strictEqual(yield* Effect.flip(server.drained), error)
        assert.isFalse(server.writeUnsafe([Buffer.from("x")]))
        assert.strictEqual(server.unsentUnsafe(), 0)
        server.endUnsafe()
        server.abortUnsafe()
        if (native) yield* server.closed
      }),
    )

    rule(native)("pauses at readBufferBytes, not one byte below, and resumes with the pull", () =>
      Effect.gen(function* () {
        const { client, server } = yield* pair({ readBufferBytes: 1000 })
        client.writeUnsafe([pattern(999)])
        yield* until(() => server.receivedUnsafe() === 999)
        assert.isFalse(server.pausedUnsafe())
        client.writeUnsafe([Buffer.from([0xff])])
        yield* until(() => server.receivedUnsafe() === 1000)
        assert.isTrue(server.pausedUnsafe())
        assert.strictEqual((yield* readBytes(server, 1000)).length, 1000)
        assert.isFalse(server.pausedUnsafe())
        client.writeUnsafe([Buffer.from("more")])
        assert.strictEqual(String(yield* readBytes(server, 4)), "more")
      }),
    )

    rule(native)("holds no more than the bound and one read for a peer that floods it", () =>
      Effect.gen(function* () {
        const { client, server } = yield* pair({ readBufferBytes: 1000 })
        client.writeUnsafe(Arr.makeBy(tooMuch / 8192, () => pattern(8192)))
        yield* until(() => server.pausedUnsafe())
        assert.isBelow(server.receivedUnsafe(), 1000 + 65_536)
        assert.isAbove(client.unsentUnsafe(), 0)
        assert.strictEqual((yield* readBytes(server, tooMuch)).length, tooMuch)
      }),
    )

    rule(native)("shows a slow peer's progress inside one big write", () =>
      Effect.gen(function* () {
        const { client, server } = yield* pair({ readBufferBytes: 64 * 1024 })
        server.writeUnsafe([pattern(tooMuch)])
        yield* until(() => client.pausedUnsafe())
        const before = server.unsentUnsafe()
        yield* readBytes(client, tooMuch / 2)
        yield* until(() => server.unsentUnsafe() < before)
        const between = server.unsentUnsafe()
        assert.isAbove(between, 0)
        assert.isAtMost(before, tooMuch)
        yield* readBytes(client, tooMuch / 4)
        yield* until(() => server.unsentUnsafe() < between)
      }),
    )

    rule(native)("frees the descriptor when aborted, whatever is unsent, once and again", () =>
      Effect.gen(function* () {
        const { client, server } = yield* pair()
        server.writeUnsafe([pattern(tooMuch)])
        server.abortUnsafe()
        server.abortUnsafe()
        yield* server.closed
        assert.deepInclude((yield* lossOf(server)).reason, { _tag: "WireLost", code: "ABORTED" })
        const error = yield* Effect.flip(server.pull)
        assert.deepInclude((error as TransportError).reason, { _tag: "WireLost", code: "ABORTED" })
        client.abortUnsafe()
        yield* client.closed
      }),
    )

    it.live("gives up what it has not pulled when aborted", () =>
      Effect.gen(function* () {
        const { client, server } = yield* pair()
        client.writeUnsafe([Buffer.from("work")])
        yield* until(() => !native || server.receivedUnsafe() === 4)
        server.abortUnsafe()
        const error = yield* Effect.flip(server.pull)
        assert.deepInclude((error as TransportError).reason, { _tag: "WireLost", code: "ABORTED" })
      }),
    )

    rule(native)("refuses newcomers once closed, ends accept, and lets its wires live", () =>
      Effect.gen(function* () {
        const { client, dial, server, transport } = yield* pair()
        yield* transport.close
        yield* transport.close
        const refused = yield* Effect.flip(dial)
        assert.strictEqual(refused.reason._tag, "DialFailed")
        assert.isTrue(Cause.isDone(yield* Effect.flip(transport.accept)))
        client.writeUnsafe([Buffer.from("still here")])
        assert.strictEqual(String(yield* readBytes(server, 10)), "still here")
      }),
    )

    it.live("wakes a waiting accept when it closes", () =>
      Effect.gen(function* () {
        const { transport } = yield* listen({})
        const waiting = yield* Effect.forkChild(Effect.flip(transport.accept), { startImmediately: true })
        yield* transport.close
        assert.isTrue(Cause.isDone(yield* Fiber.join(waiting)))
      }),
    )

    it.live("hands out wires that arrived before anybody accepted, in one batch", () =>
      Effect.gen(function* () {
        const { dial, transport } = yield* listen({ acceptBacklog: 2 })
        const clients = [yield* dial, yield* dial]
        const wires: Array<Wire> = []
        while (wires.length < 2) wires.push(...(yield* transport.accept))
        for (const [i, client] of clients.entries()) client.writeUnsafe([Buffer.from([i])])
        const greetings = yield* Effect.forEach(wires, (wire) => Effect.andThen(wire.opened, readBytes(wire, 1)))
        assert.sameMembers(
          greetings.map((greeting) => greeting[0]),
          [0, 1],
        )
      }),
    )

    it.live("resets the arrival that exceeds acceptBacklog, and keeps those before it", () =>
      Effect.gen(function* () {
        const { dial, transport } = yield* listen({ acceptBacklog: 1 })
        const kept = yield* dial
        // With TLS the reset comes before the handshake is done: the dial itself tells.
        const turnedAway = yield* Effect.exit(Effect.flatMap(dial, (wire) => wire.pull))
        assert.isTrue(Exit.isFailure(turnedAway))
        const server = yield* acceptOne(transport)
        kept.writeUnsafe([Buffer.from("kept")])
        assert.strictEqual(String(yield* readBytes(server, 4)), "kept")
      }),
    )

    rule(native)("closes its scope at once with a client that never reads, and leaves it its wire", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { dial, transport } = yield* Scope.provide(listen({}), scope)
        const client = yield* dial
        const server = yield* acceptOne(transport)
        server.writeUnsafe([pattern(tooMuch)])
        yield* Scope.close(scope, Exit.void)
        assert.isAbove(server.unsentUnsafe(), 0)
        assert.strictEqual((yield* readBytes(client, tooMuch)).length, tooMuch)
        server.abortUnsafe()
      }),
    )

    rule(native)("ends the wires that nobody accepted with its scope", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { dial } = yield* Scope.provide(listen({}), scope)
        const client = yield* dial
        const ended = yield* Effect.forkChild(Effect.flip(client.pull), { startImmediately: true })
        yield* Scope.close(scope, Exit.void)
        yield* Fiber.join(ended)
      }),
    )
  })
}
