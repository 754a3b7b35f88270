import { assert, describe, it } from "@effect/vitest"
import { RandomText } from "../../src/gateway/RandomText.ts"
import * as Sessions from "../../src/gateway/Sessions.ts"

const setup = (options?: Partial<Sessions.Options>) => {
  const clock = { now: 0 }
  const sessions = Sessions.make<Sessions.Holder & { taken: number }>({
    now: () => clock.now,
    random: new RandomText(),
    ...options,
  })
  const holder = () => {
    const self = { taken: 0, takenOver: () => void self.taken++ }
    return self
  }
  return { clock, sessions, holder }
}

describe("a session", () => {
  it("is new without a claim: 72 random bits as its id, 144 as its key", () => {
    const { holder, sessions } = setup()
    const [one, two] = [sessions.open(holder(), undefined), sessions.open(holder(), undefined)]
    assert.match(one.id, /^[\w-]{12}$/)
    assert.match(one.key, /^[\w-]{24}$/)
    assert.isFalse(one.resumed)
    assert.notStrictEqual(one.id, two.id)
    assert.notStrictEqual(one.key, two.key)
  })

  it("is resumed by its key within the time to live, and not at its end", () => {
    const { clock, holder, sessions } = setup({ ttlMs: 60_000 })
    const first = holder()
    const { id, key } = sessions.open(first, "u")
    sessions.release(id, first)
    clock.now = 59_999
    const second = holder()
    assert.deepStrictEqual(sessions.open(second, "u", { id, key }), { id, key, resumed: true })
    sessions.release(id, second)
    clock.now += 60_000
    assert.isFalse(sessions.open(holder(), "u", { id, key }).resumed)
    sessions.expire()
    assert.deepStrictEqual(sessions.counts(), { held: 1, kept: 0 })
  })

  it("is a new one for a wrong key, an unknown id or another user, and the claimed one goes on", () => {
    const { holder, sessions } = setup()
    const first = holder()
    const { id, key } = sessions.open(first, "u")
    const claims: ReadonlyArray<readonly [user: string | undefined, claim: Sessions.Claim]> = [
      ["u", { id, key: `${key.slice(0, -1)}!` }],
      ["u", { id, key: key.slice(1) }],
      ["u", { id, key: "" }],
      ["u", { id: "unknown", key }],
      ["v", { id, key }],
      [undefined, { id, key }],
    ]
    for (const [user, claim] of claims) {
      const opened = sessions.open(holder(), user, claim)
      assert.isFalse(opened.resumed)
      assert.notStrictEqual(opened.id, id)
    }
    assert.strictEqual(first.taken, 0)
    assert.isTrue(sessions.open(holder(), "u", { id, key }).resumed)
  })

  it("is taken over from whoever holds it, who then cannot release it any more", () => {
    const { holder, sessions } = setup()
    const [first, second] = [holder(), holder()]
    const { id, key } = sessions.open(first, undefined)
    sessions.open(second, undefined, { id, key })
    assert.deepStrictEqual([first.taken, second.taken], [1, 0])
    sessions.release(id, first)
    assert.deepStrictEqual(sessions.counts(), { held: 1, kept: 0 })
    const held: Array<unknown> = []
    sessions.each((each) => held.push(each))
    assert.deepStrictEqual(held, [second])
  })

  it("with a time to live of 0 is not kept", () => {
    const { holder, sessions } = setup({ ttlMs: 0 })
    const first = holder()
    const { id, key } = sessions.open(first, undefined)
    sessions.release(id, first)
    assert.deepStrictEqual(sessions.counts(), { held: 0, kept: 0 })
    assert.isFalse(sessions.open(holder(), undefined, { id, key }).resumed)
  })

  it("without a connection goes when there are too many, the oldest first", () => {
    const { holder, sessions } = setup({ maxKept: 2 })
    const opened = [1, 2, 3].map(() => {
      const each = holder()
      return { each, ...sessions.open(each, undefined) }
    })
    for (const { each, id } of opened) sessions.release(id, each)
    assert.deepStrictEqual(sessions.counts(), { held: 0, kept: 2 })
    assert.deepStrictEqual(
      opened.map((claim) => sessions.open(holder(), undefined, claim).resumed),
      [false, true, true],
    )
  })
})
