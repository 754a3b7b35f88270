import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Presence from "../../src/gateway/Presence.ts"
import type { PresenceChanged } from "../../src/gateway/protocol/ServerMessage.ts"

const rules = { presenceGraceMs: 15_000, maxPresenceMembers: 1_000 }

const setup = (options?: Partial<Presence.Options<PresenceChanged>>) => {
  const clock = { now: 0 }
  const encoded: Array<PresenceChanged> = []
  const presence = Presence.make<PresenceChanged>({
    now: () => 1_000 + clock.now,
    monotonic: () => clock.now,
    encode: (message) => {
      encoded.push(message)
      return message
    },
    ...options,
  })
  const watcher = (connection: string, user?: string) => {
    const told: Array<PresenceChanged> = []
    return { connection, user, told, tell: (message: PresenceChanged) => void told.push(message) }
  }
  const join = (each: Presence.Watcher<PresenceChanged>, its: Presence.Rules = rules) =>
    Result.getOrThrow(presence.join("a", each, its))
  /** What a tick tells each watcher: who joined, who left, and how many there are. */
  const tick = (...watchers: ReadonlyArray<{ readonly told: Array<PresenceChanged> }>) => {
    Array.from(presence.tick())
    return watchers.map(({ told }) =>
      told
        .splice(0)
        .map(({ count, joined, left }) => [
          joined.map(({ connection }) => connection),
          left.map(({ connection }) => connection),
          count,
        ]),
    )
  }
  return { presence, clock, encoded, watcher, join, tick }
}

describe("members", () => {
  it("are listed with their user and since when", () => {
    const { clock, join, presence, watcher } = setup()
    join(watcher("c1", "u"))
    clock.now = 5
    join(watcher("c2"))
    const members = [
      { connection: "c1", user: "u", joinedAt: 1_000 },
      { connection: "c2", joinedAt: 1_005 },
    ]
    assert.deepStrictEqual(presence.list("a", rules), { members, count: 2 })
    assert.deepStrictEqual(presence.list("b", rules), { members: [], count: 0 })
  })

  it("are told channel by channel, and what changes meanwhile is told the next time", () => {
    const { presence, watcher } = setup()
    const [one, two] = [watcher("c1"), watcher("c2")]
    for (const channel of ["a", "b"]) for (const each of [one, two]) presence.join(channel, each, rules)
    Array.from(presence.tick())
    for (const channel of ["a", "b"]) presence.leave(channel, two)
    one.told.length = 0
    const steps = presence.tick()[Symbol.iterator]()
    assert.deepStrictEqual(steps.next(), { done: false, value: 1 })
    assert.deepStrictEqual(
      one.told.map(({ channel }) => channel),
      ["a"],
    )
    presence.join("a", two, rules)
    presence.leave("b", one)
    assert.isTrue(steps.next().done)
    assert.strictEqual(one.told.length, 1)
    assert.deepStrictEqual(Array.from(presence.tick()), [2])
    assert.strictEqual(one.told.length, 2)
  })

  it("are told of the others that came and went since the last time, and never of themselves", () => {
    const { join, presence, tick, watcher } = setup()
    const [one, two, three] = [watcher("c1"), watcher("c2"), watcher("c3")]
    join(one)
    assert.deepStrictEqual(tick(one), [[]])
    join(two)
    join(three)
    assert.deepStrictEqual(tick(one, two, three), [[[["c2", "c3"], [], 3]], [[["c3"], [], 3]], [[["c2"], [], 3]]])
    presence.leave("a", two)
    assert.deepStrictEqual(tick(one, two, three), [[[[], ["c2"], 2]], [], [[[], ["c2"], 2]]])
    assert.deepStrictEqual(tick(one, three), [[], []])
  })

  it("that come and go between two ticks are told to nobody, and so are those that go and come back", () => {
    const { join, presence, tick, watcher } = setup()
    const [one, brief, back] = [watcher("c1"), watcher("c2"), watcher("c3")]
    join(one)
    join(back)
    tick()
    one.told.length = 0
    join(brief)
    presence.leave("a", brief)
    presence.leave("a", back)
    join(back)
    assert.deepStrictEqual(tick(one), [[]])
    assert.deepStrictEqual(presence.list("a", rules).count, 2)
  })

  it("that somebody was shown, or missed, between two ticks are told of all the same when they have gone or are back", () => {
    const { join, presence, tick, watcher } = setup()
    const [one, brief, back] = [watcher("c1"), watcher("c2"), watcher("c3")]
    join(one)
    join(back)
    tick(one)
    join(brief)
    presence.leave("a", back)
    const shown = presence.list("a", rules).members.map(({ connection }) => connection)
    presence.leave("a", brief)
    join(back)
    assert.deepStrictEqual([shown, tick(one)], [["c1", "c2"], [[[["c3"], ["c2"], 2]]]])
    // What follows cancels out again.
    join(brief)
    presence.leave("a", brief)
    assert.deepStrictEqual(tick(one), [[]])
  })

  it("are encoded once for all who were there before", () => {
    const { encoded, join, tick, watcher } = setup()
    const there = [watcher("c1"), watcher("c2"), watcher("c3")]
    there.forEach((each) => join(each))
    tick()
    encoded.length = 0
    join(watcher("c4"))
    tick()
    assert.strictEqual(encoded.length, 1)
  })
})

describe("a lost connection", () => {
  it("stays listed for the grace time, and then has left", () => {
    const { clock, join, presence, tick, watcher } = setup()
    const [one, two] = [watcher("c1"), watcher("c2")]
    join(one)
    join(two)
    tick(one)
    one.told.length = 0
    presence.lose("a", two)
    clock.now = 14_999
    assert.deepStrictEqual(tick(one), [[]])
    assert.strictEqual(presence.list("a", rules).count, 2)
    clock.now = 15_000
    assert.deepStrictEqual(tick(one), [[[[], ["c2"], 1]]])
    assert.strictEqual(presence.list("a", rules).count, 1)
  })

  it("that is back within the grace time has never been away", () => {
    const { clock, join, presence, tick, watcher } = setup()
    const [one, two, again] = [watcher("c1"), watcher("c2"), watcher("c2")]
    join(one)
    join(two)
    tick(one)
    one.told.length = 0
    presence.lose("a", two)
    clock.now = 14_999
    join(again)
    clock.now = 60_000
    assert.deepStrictEqual(tick(one), [[]])
    assert.deepStrictEqual(presence.list("a", rules).members[1], { connection: "c2", joinedAt: 1_000 })
    // What the first connection does now concerns it no more.
    presence.lose("a", two)
    presence.leave("a", two)
    clock.now = 120_000
    assert.deepStrictEqual(tick(one), [[]])
  })

  it("without a grace time has left at once", () => {
    const { join, presence, tick, watcher } = setup()
    const [one, two] = [watcher("c1"), watcher("c2")]
    join(one, { ...rules, presenceGraceMs: 0 })
    join(two, { ...rules, presenceGraceMs: 0 })
    tick(one)
    one.told.length = 0
    presence.lose("a", two)
    assert.deepStrictEqual(tick(one), [[[[], ["c2"], 1]]])
  })
})

describe("bounds", () => {
  it("above the channel's limit only counts are told and listed, at it everybody is", () => {
    const { join, presence, tick, watcher } = setup()
    const limited = { ...rules, maxPresenceMembers: 2 }
    const [one, two, three] = [watcher("c1"), watcher("c2"), watcher("c3")]
    join(one, limited)
    tick(one)
    join(two, limited)
    assert.deepStrictEqual(tick(one), [[[["c2"], [], 2]]])
    assert.strictEqual(presence.list("a", limited).members.length, 2)
    join(three, limited)
    assert.deepStrictEqual(tick(one), [[[[], [], 3]]])
    assert.deepStrictEqual(presence.list("a", limited), { members: [], count: 3 })
    presence.leave("a", three)
    assert.deepStrictEqual(tick(one), [[[[], ["c3"], 2]]])
  })

  it("changes above the limit are counted, though few are left", () => {
    const { join, presence, tick, watcher } = setup()
    const limited = { ...rules, maxPresenceMembers: 2 }
    const members = ["c1", "c2", "c3", "c4"].map((connection) => watcher(connection))
    members.forEach((each) => join(each, limited))
    tick(members[0]!)
    members.slice(1).forEach((each) => presence.leave("a", each))
    assert.deepStrictEqual(tick(members[0]!), [[[[], [], 1]]])
  })

  it("no list is longer than a frame can hold, whatever the policy", () => {
    const { join, presence, watcher } = setup()
    const generous = { ...rules, maxPresenceMembers: 1_000_000 }
    for (let i = 0; i < Presence.maxListed; i++) join(watcher(`c${i}`), generous)
    assert.strictEqual(presence.list("a", generous).members.length, Presence.maxListed)
    join(watcher("one more"), generous)
    assert.deepStrictEqual(presence.list("a", generous), { members: [], count: Presence.maxListed + 1 })
  })

  it("who joins beside many others is told the count alone", () => {
    const { encoded, join, tick, watcher } = setup()
    const joining = (count: number) => Array.from({ length: count }, (_, i) => watcher(`${count}-${i}`))
    const few = joining(Presence.maxToldToJoiner)
    few.forEach((each) => join(each))
    assert.strictEqual((tick(few[0]!)[0]![0]![0] as ReadonlyArray<string>).length, Presence.maxToldToJoiner - 1)
    few[1]!.told.length = 0
    encoded.length = 0
    const many = joining(Presence.maxToldToJoiner + 1)
    many.forEach((each) => join(each))
    const [member, joiner] = tick(few[1]!, many[0]!)
    assert.strictEqual((member![0]![0] as ReadonlyArray<string>).length, many.length)
    assert.deepStrictEqual(joiner, [[[], [], few.length + many.length]])
    assert.strictEqual(encoded.length, 2)
  })

  it("members of all channels together are limited: error 106, and leaving makes room", () => {
    const { presence, watcher } = setup({ maxMembers: 2 })
    const [one, two, three] = [watcher("c1"), watcher("c2"), watcher("c3")]
    assert.isTrue(Result.isSuccess(presence.join("a", one, rules)))
    assert.isTrue(Result.isSuccess(presence.join("b", two, rules)))
    const message = "2 members in all channels, more are not allowed"
    assert.deepStrictEqual(presence.join("c", three, rules), Result.fail({ code: 106, message, retry: false }))
    assert.isTrue(Result.isSuccess(presence.join("a", watcher("c1"), rules)))
    presence.leave("b", two)
    assert.isTrue(Result.isSuccess(presence.join("c", three, rules)))
  })

  it("nothing is left of channels that everybody has left", () => {
    const { clock, join, presence, watcher } = setup()
    const [one, two] = [watcher("c1"), watcher("c2")]
    join(one)
    join(two)
    presence.leave("a", one)
    presence.lose("a", two)
    assert.deepStrictEqual(presence.counts(), { channels: 1, members: 1 })
    clock.now = 15_000
    Array.from(presence.tick())
    assert.deepStrictEqual(presence.counts(), { channels: 0, members: 0 })
  })
})
