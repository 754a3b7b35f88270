/**
 * `request`: a few connections serve and send back what they are asked; all others ask. The latency is that of the answer,
 * there and back. An answer with what another was asked is an error.
 */
import * as Effect from "effect/Effect"
import { type Context, LoadFailed, record, settle } from "../Context.ts"
import { Crowd } from "../Crowd.ts"
import * as Phases from "../Phases.ts"
import { Questions } from "../Questions.ts"

/** Runs it to its end. */
export const run = (context: Context): Effect.Effect<void, LoadFailed> =>
  Effect.gen(function* () {
    const { figures, plan, stamps } = context
    const { connections, helpers, payloadBytes, rate, settleMs } = plan
    const { counts } = figures
    const service = `bench:${plan.run}`
    const questions = new Questions<undefined>(context)
    let serving = 0
    const responders = new Crowd(context, {
      count: helpers,
      from: connections,
      commandsPerSecond: rate / helpers,
      onMessage: (message, _index, link) => {
        if (message.type === "serving") serving++
        if (message.type !== "request") return
        link.send(`{"type":"response","id":${String(message["id"])},"data":${JSON.stringify(message["data"])}}`)
      },
    })
    const requesters = new Crowd(context, {
      count: connections,
      commandsPerSecond: rate / connections,
      onMessage: (message, index) => {
        const question = questions.answered(message, index)
        if (question === undefined || message.type !== "response") return
        const stamp = stamps.find(Buffer.from(JSON.stringify(message["data"])))
        if (stamp?.source === index && stamp.sequence === question.sequence) {
          counts.received++
          record(context, "answer", question.at)
        } else {
          counts.errors++
          figures.complain("a request was answered with what another was asked")
        }
      },
    })
    yield* responders.fill
    for (const { link } of responders.places) link?.send(`{"type":"serve","id":2,"service":"${service}"}`)
    yield* settle(context, () => serving === responders.places.length)
    if (serving < responders.places.length) {
      const why = figures.problems()[0]?.message ?? "no answer"
      return yield* new LoadFailed({ message: `the service could not be served: ${why}` })
    }
    yield* requesters.fill
    const requesterOf = (n: number) => requesters.place(n % connections)
    yield* Phases.pace(context, {
      isMine: (n) => requesterOf(n) !== undefined,
      fire: (n, at) => {
        const { index, link } = requesterOf(n)!
        questions.ask({ link, index, at, about: undefined }, (id, sequence) => {
          const data = stamps.write({ source: index, sequence, at }, payloadBytes)
          return `{"type":"request","id":${id},"service":"${service}","data":${data},"timeoutMs":${settleMs}}`
        })
      },
    })
    yield* settle(context, () => questions.waiting === 0)
    counts.expected = counts.sent
    counts.lost = counts.sent - counts.received
    // Requests of other workers may still be on their way to this one's responders.
    yield* context.crew.meet([])
  })
