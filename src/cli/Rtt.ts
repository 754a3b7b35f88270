/**
 * `longline rtt`: how long the gateway takes to answer, from here, over one connection.
 * Asks for a service that nobody serves: the shortest way through a gateway, which leaves nothing behind.
 */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import { randomUUID } from "node:crypto"
import type { Client } from "../client/Client.ts"
import type { ClientError } from "../client/ClientError.ts"
import * as Setting from "../gateway/config/Setting.ts"
import * as Gateways from "./Gateways.ts"
import * as Judged from "./Judged.ts"
import * as Output from "./Output.ts"
import * as Printing from "./Printing.ts"
import * as Talk from "./Talk.ts"

/** `longline rtt`. */
export const command = Command.make(
  "rtt",
  {
    count: Judged.withDefault(
      Setting.integer({ key: "count", purpose: "round trips", min: 1, max: 100_000, fallback: 10 }),
    ),
    interval: Judged.withDefault(
      Setting.duration({ key: "interval", purpose: "between two of them", minMs: 0, maxMs: 60_000, fallbackMs: 100 }),
    ),
    json: Printing.json,
    gateway: Gateways.flags,
  },
  ({ count, gateway, interval, json }) =>
    Talk.run(gateway, (client) =>
      Effect.gen(function* () {
        const times: Array<number> = []
        for (let i = 0; i < count; i++) {
          if (i > 0) yield* Effect.sleep(interval)
          times.push(yield* roundTrip(client))
        }
        const { avgMs, maxMs, minMs, p99Ms } = summaryOf(times)
        if (json) return yield* Output.json({ type: "rtt", count, minMs, avgMs, p99Ms, maxMs })
        const text = `${count} round trips: min ${minMs} ms, avg ${avgMs} ms, p99 ${p99Ms} ms, max ${maxMs} ms`
        yield* Output.lines([text])
      }),
    ),
).pipe(
  Command.withDescription("Measure round trips to the gateway: minimum, average, 99th percentile, maximum."),
  Command.withShortDescription("measure round trips"),
  Command.withExamples([{ command: "longline rtt --count 100 --interval 10ms", description: "A hundred of them" }]),
)

/** The answer is a refusal; one for want of patience (111) says nothing about the way. */
const roundTrip = (client: Client["Service"]): Effect.Effect<number, ClientError> =>
  Effect.suspend(() => {
    const start = performance.now()
    return client.request(`rtt-${randomUUID()}`, null).pipe(
      Effect.catchIf(
        ({ reason }) => reason._tag === "Refused" && reason.code !== 111,
        () => Effect.void,
      ),
      Effect.map(() => performance.now() - start),
    )
  })

const summaryOf = (times: ReadonlyArray<number>) => {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => rounded(sorted[Math.ceil(share * sorted.length) - 1] ?? 0)
  return {
    minMs: rounded(sorted[0] ?? 0),
    avgMs: rounded(times.reduce((sum, ms) => sum + ms, 0) / times.length),
    p99Ms: at(0.99),
    maxMs: at(1),
  }
}

const rounded = (ms: number): number => Math.round(ms * 1000) / 1000
