/**
 * `drain`: connections that wait for the server to end, which must say goodbye to each. The latency is from its notice to
 * the bye. Sends SIGTERM only to the process that the plan names; without one, somebody else has to.
 */
import * as Effect from "effect/Effect"
import { type Context, LoadFailed, record, settle } from "../Context.ts"
import { Crowd } from "../Crowd.ts"
import * as Phases from "../Phases.ts"
import * as Publishing from "../Publishing.ts"

/** `bye`: the server drains (docs/protocol.md, section 8). */
const drainingCode = 4001

/** Runs it to its end, at most as long as the plan says. Whoever ended without a bye, or did not end, is lost. */
export const run = (context: Context): Effect.Effect<void, LoadFailed> =>
  Effect.gen(function* () {
    const { figures, plan } = context
    const { counts } = figures
    const channel = Publishing.channel(context, 0)
    const noticedAt = new Map<number, number>()
    let here = 0
    const crowd = new Crowd(context, {
      count: plan.connections,
      channels: () => [channel.name],
      onMessage: (message, index) => {
        if (message.type === "notice") noticedAt.set(index, context.now())
      },
      onEnded: ({ code }, index) => {
        here--
        if (code !== drainingCode) return false
        counts.received++
        const at = noticedAt.get(index)
        if (at !== undefined) record(context, "goodbye", at)
        else figures.complain("a bye without a notice")
        return true
      },
    })
    yield* crowd.fill
    here = crowd.places.filter(({ link }) => link !== undefined).length
    yield* Phases.begin(context)
    yield* Effect.sleep(plan.warmUpMs)
    if (plan.pid !== undefined && context.crew.worker === 0) yield* terminate(plan.pid)
    yield* settle(context, () => here === 0, plan.durationMs)
    counts.expected = crowd.places.length
    counts.lost = counts.expected - counts.received
  })

const terminate = (pid: number): Effect.Effect<void, LoadFailed> =>
  Effect.try({
    try: () => void process.kill(pid, "SIGTERM"),
    catch: (why) =>
      new LoadFailed({
        message: `SIGTERM cannot be sent to process ${pid}: ${why instanceof Error ? why.message : String(why)}`,
      }),
  })
