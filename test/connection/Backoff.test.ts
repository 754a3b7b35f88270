import { assert, describe, it } from "@effect/vitest"
import { Backoff } from "../../src/connection/Backoff.ts"

const failed = { connectedMs: undefined }

describe("a wait", () => {
  it("is drawn from nothing up to a ceiling, which doubles from half a second to twenty", () => {
    const most = new Backoff(() => 1)
    const waits = [1, 2, 3, 4, 5, 6, 7, 8].map(() => most.next(failed))
    assert.deepStrictEqual(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000])
    assert.strictEqual(new Backoff(() => 0).next(failed), 0)
  })

  it("is the first one again after 30 seconds of health, and not a moment before", () => {
    const backoff = new Backoff(() => 1)
    backoff.next(failed)
    assert.strictEqual(backoff.next({ connectedMs: 29_999 }), 1_000)
    assert.strictEqual(backoff.next({ connectedMs: 30_000 }), 500)
  })

  it("begins when what the other side wants waited has passed", () => {
    assert.strictEqual(new Backoff(() => 1).next({ ...failed, waitMs: 5_000 }), 5_500)
    assert.strictEqual(new Backoff(() => 0).next({ ...failed, waitMs: 5_000 }), 5_000)
  })

  it("is none at the advice to come at once, once", () => {
    const backoff = new Backoff(() => 1)
    assert.strictEqual(backoff.next({ ...failed, atOnce: true }), 0)
    assert.strictEqual(backoff.next({ ...failed, atOnce: true }), 1_000)
  })
})
