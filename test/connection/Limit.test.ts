import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Deadlines from "../../src/connection/Deadlines.ts"
import * as Outbox from "../../src/connection/Outbox.ts"
import * as RateLimit from "../../src/connection/RateLimit.ts"
import * as Admission from "../../src/server/Admission.ts"
import * as MemoryBudget from "../../src/server/MemoryBudget.ts"

const layers: Record<string, (limit: number) => unknown> = {
  maxConnections: (maxConnections) => Admission.layer({ maxConnections }),
  maxConnectionsPerAddress: (maxConnectionsPerAddress) => Admission.layer({ maxConnectionsPerAddress }),
  acceptsPerSecond: (acceptsPerSecond) => Admission.layer({ acceptsPerSecond }),
  framesPerSecond: (framesPerSecond) => RateLimit.layer({ framesPerSecond }),
  bytesPerSecond: (bytesPerSecond) => RateLimit.layer({ bytesPerSecond }),
  heartbeatsPerSecond: (heartbeatsPerSecond) => RateLimit.layer({ heartbeatsPerSecond }),
  maxBytes: (maxBytes) => Outbox.layer({ maxBytes }),
  frameBytesPerSecond: (frameBytesPerSecond) => Deadlines.layer({ frameBytesPerSecond }),
  maxBufferedBytes: (maxBufferedBytes) => Effect.runSync(Effect.scoped(MemoryBudget.make({ maxBufferedBytes }))),
  maxMemoryShare: (maxMemoryShare) => Effect.runSync(Effect.scoped(MemoryBudget.make({ maxMemoryShare }))),
}

describe("A limit", () => {
  for (const [name, layer] of Object.entries(layers)) {
    it(`${name} is refused when it is set if it is no number from 0 on, and else not`, () => {
      for (const wrong of [NaN, -1]) {
        assert.throws(() => layer(wrong), `${name} is ${wrong}; it must be a number from 0 on`)
      }
      for (const right of [0, 1, Infinity]) layer(right)
    })
  }
})
