import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { anonymous } from "../../src/gateway/auth/Identity.ts"
import * as Idempotency from "../../src/gateway/engine/Idempotency.ts"
import * as Policy from "../../src/gateway/Policy.ts"
import * as Data from "../../src/gateway/protocol/Data.ts"
import { Publishing } from "../../src/gateway/Publishing.ts"

const sender = { connection: "c", user: "u" }
const open = new Publishing(() => Policy.open, { sender, identity: anonymous })
const under = (rest: Partial<Policy.Policy>) => {
  const policy = { ...Policy.open, ...rest }
  return new Publishing(() => policy, { sender, identity: anonymous })
}

const data = Data.json(1)
const message = { type: "publish", channel: "a", data } as const
const error = (code: number, text: string, waitMs?: number) =>
  Result.fail({ code, message: text, retry: waitMs !== undefined, ...(waitMs !== undefined && { waitMs }) })

describe("a draft", () => {
  it("has what the engine needs, and nothing else", () => {
    assert.deepStrictEqual(open.draft(message, 0), Result.succeed({ channel: "a", data, from: sender }))
    assert.deepStrictEqual(
      open.draft({ ...message, id: 7, echo: false, tags: { t: "v" }, key: "k" }, 0),
      Result.succeed({
        channel: "a",
        data,
        from: sender,
        tags: { t: "v" },
        key: { user: "u", key: "k", fingerprint: Idempotency.fingerprint(data, { t: "v" }) },
        withheldFrom: "c",
      }),
    )
  })

  it("is judged by the policy of its channel's name", () => {
    const names: Array<string> = []
    const publishing = new Publishing((name) => (names.push(name), Policy.open), { sender, identity: anonymous })
    publishing.draft({ ...message, channel: "x:y" }, 0)
    assert.deepStrictEqual(names, ["x:y"])
  })
})

describe("sizes", () => {
  const tags = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`t${index}`, "v"]))
  const isTaken = (rest: object, publishing = open) => Result.isSuccess(publishing.draft({ ...message, ...rest }, 0))

  it("data has at most the bytes that the policy allows", () => {
    const publishing = under({ maxDataBytes: 6 })
    assert.isTrue(isTaken({ data: Data.json("ää") }, publishing))
    assert.deepStrictEqual(
      publishing.draft({ ...message, data: Data.json("ääx") }, 0),
      error(116, "data of 7 bytes, allowed are 6"),
    )
  })

  it("data is counted where each character may be three bytes", () => {
    const data = Data.json("€".repeat(6))
    assert.isTrue(isTaken({ data }, under({ maxDataBytes: 20 })))
    assert.deepStrictEqual(
      under({ maxDataBytes: 19 }).draft({ ...message, data }, 0),
      error(116, "data of 20 bytes, allowed are 19"),
    )
  })

  it("a key has at most 64 bytes", () => {
    assert.isTrue(isTaken({ key: "ä".repeat(32) }))
    assert.deepStrictEqual(
      open.draft({ ...message, key: "ä".repeat(33) }, 0),
      error(116, "a key of 66 bytes, allowed are 64"),
    )
  })

  it("there are at most 16 tags", () => {
    assert.isTrue(isTaken({ tags: tags(16) }))
    assert.deepStrictEqual(open.draft({ ...message, tags: tags(17) }, 0), error(116, "17 tags, allowed are 16"))
  })

  it("tags have at most 1 KiB together, names and values", () => {
    assert.isTrue(isTaken({ tags: { ä: "v".repeat(1022) } }))
    assert.deepStrictEqual(
      open.draft({ ...message, tags: { ä: "v".repeat(1023) } }, 0),
      error(116, "tags of 1025 bytes together, allowed are 1024"),
    )
  })
})

describe("a policy", () => {
  it("that does not allow to publish is error 103", () => {
    const publishing = under({ allow: { ...Policy.open.allow, publish: "nobody" } })
    assert.deepStrictEqual(publishing.draft(message, 0), error(103, "not allowed"))
  })

  it("that has a schema refuses what does not match with error 110 and the path", () => {
    const validate = (each: Data.Data) =>
      each === data ? undefined : { path: "items[3].price", message: "must be a number" }
    const publishing = under({ validate })
    assert.isTrue(Result.isSuccess(publishing.draft(message, 0)))
    assert.deepStrictEqual(
      publishing.draft({ ...message, data: Data.json(2) }, 0),
      error(110, "items[3].price: must be a number"),
    )
    const whole = under({ validate: () => ({ path: "", message: "must be an object" }) })
    assert.deepStrictEqual(whole.draft(message, 0), error(110, "must be an object"))
  })

  it("that has a rate refuses what is over it with error 111 and the time to wait, each namespace for itself", () => {
    const slow = { ...Policy.open, publishesPerSecond: 2 }
    const other = { ...slow }
    const publishing = new Publishing((name) => (name === "a" ? slow : other), { sender, identity: anonymous })
    const outcomes = (now: number, channel = "a") => publishing.draft({ ...message, channel }, now)
    assert.isTrue(Result.isSuccess(outcomes(0)))
    assert.isTrue(Result.isSuccess(outcomes(0)))
    const refused = error(111, "more than 2 publications per second in this namespace", 500)
    assert.deepStrictEqual(outcomes(0), refused)
    assert.isTrue(Result.isSuccess(outcomes(0, "b")))
    assert.isTrue(Result.isSuccess(outcomes(500)))
  })

  it("charges no rate for what is too large, and looks into no data that is over the rate", () => {
    let looked = 0
    const publishing = under({
      publishesPerSecond: 1,
      maxDataBytes: 1,
      validate: () => {
        looked++
        return undefined
      },
    })
    publishing.draft({ ...message, data: Data.json(10) }, 0)
    assert.isTrue(Result.isSuccess(publishing.draft(message, 0)))
    assert.isTrue(Result.isFailure(publishing.draft(message, 0)))
    assert.strictEqual(looked, 1)
  })
})
