import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { answeredAtOnce, type Flushable, Turn } from "../../src/connection/Turn.ts"
import { open, texts } from "../support/connections.ts"
import { settled } from "../support/wires.ts"

/** A turn, and the names of those that it flushed since they were last looked at, in order. */
const makeTurn = () => {
  let flushed: Array<string> = []
  const turn = new Turn(() => 0)
  const schedule = (name: string) => {
    const flushable = { flushUnsafe: () => void flushed.push(name) }
    turn.schedule(flushable)
    return flushable
  }
  return {
    schedule,
    answer: (name: string) => turn.answeredUnsafe(schedule(name)),
    answered: (flushable: ReturnType<typeof schedule>) => turn.answeredUnsafe(flushable),
    look: () => {
      const seen = flushed
      flushed = []
      return seen
    },
    end: () => new Promise<void>((resolve) => setImmediate(resolve)),
  }
}

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`)

describe("Turn", () => {
  it("writes what was sent when it ends, in order", async () => {
    const { answer, end, look, schedule } = makeTurn()
    schedule("sent")
    names("answered", answeredAtOnce - 1).forEach(answer)
    assert.deepStrictEqual(look(), [])
    await end()
    assert.deepStrictEqual(look(), ["sent", ...names("answered", answeredAtOnce - 1)])
  })

  it("writes the answered ones before it ends, once they are enough, and leaves who was sent to before", async () => {
    const { answer, end, look, schedule } = makeTurn()
    schedule("sent")
    names("a", answeredAtOnce).forEach(answer)
    assert.deepStrictEqual(look(), names("a", answeredAtOnce))
    names("b", answeredAtOnce).forEach(answer)
    assert.deepStrictEqual(look(), names("b", answeredAtOnce))
    await end()
    assert.deepStrictEqual(look(), ["sent"])
  })

  it("begins to count anew behind one that is not answered", async () => {
    const { answer, end, look, schedule } = makeTurn()
    names("a", answeredAtOnce - 1).forEach(answer)
    schedule("sent")
    names("b", answeredAtOnce - 1).forEach(answer)
    assert.deepStrictEqual(look(), [])
    await end()
    assert.deepStrictEqual(look(), [...names("a", answeredAtOnce - 1), "sent", ...names("b", answeredAtOnce - 1)])
    names("c", answeredAtOnce - 1).forEach(answer)
    assert.deepStrictEqual(look(), [])
  })

  it("takes nobody for answered because as many were before, in this turn or the last", async () => {
    const { answer, end, look, schedule } = makeTurn()
    names("a", answeredAtOnce).forEach(answer)
    look()
    names("sent", answeredAtOnce).forEach(schedule)
    answer("b")
    assert.deepStrictEqual(look(), [])
    await end()
    names("c", answeredAtOnce - 1).forEach(answer)
    await end()
    look()
    names("sent", answeredAtOnce - 1).forEach(schedule)
    answer("d")
    assert.deepStrictEqual(look(), [])
  })

  it("waits with an answered one that others were sent to after", async () => {
    const { answer, answered, end, look, schedule } = makeTurn()
    const first = schedule("first")
    names("a", answeredAtOnce - 1).forEach(answer)
    schedule("sent")
    answered(first)
    assert.deepStrictEqual(look(), [])
    await end()
    assert.deepStrictEqual(look(), ["first", ...names("a", answeredAtOnce - 1), "sent"])
  })

  it.effect(
    "hears of a connection when its handler has answered what one read brought, not of what else it is sent",
    () =>
      Effect.gen(function* () {
        let answers = 0
        class Watched extends Turn {
          override answeredUnsafe(flushable: Flushable): void {
            answers++
            super.answeredUnsafe(flushable)
          }
        }
        const { connection, peer } = yield* open(
          { protocol: texts, settings: { turn: new Watched(() => 0) } },
          ({ messages, send }) => Stream.runForEach(messages, send),
        )
        yield* Effect.forkScoped(peer.listen)
        yield* connection.send("news")
        yield* settled
        assert.strictEqual(answers, 0)
        peer.say("question", "another")
        yield* settled
        assert.deepStrictEqual([answers, peer.heard], [1, ["news", "question", "another"]])
      }),
  )
})
