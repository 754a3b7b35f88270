/**
 * Answers requests by their id, several of one connection at a time: a slow one holds nobody up, so answers come in
 * the order they are ready. Reads no further than sixteen requests ahead of its answers.
 *
 *     node build/examples/request-reply.js 7000
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer, Schema, Stream } from "effect"
import { Drain, JsonCodec, LogEvents, Protocol, Server, ServerEvents, TcpTransport } from "longline"

const Id = Schema.Int.check(Schema.isGreaterThan(0))
const Sum = Schema.Struct({ type: Schema.tag("sum"), id: Id, numbers: Schema.Array(Schema.Finite) })
const Wait = Schema.Struct({
  type: Schema.tag("wait"),
  id: Id,
  ms: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 60_000 })),
})
const Request = Schema.Union([Sum, Wait])

const Answer = Schema.Struct({ type: Schema.tag("answer"), id: Id, value: Schema.Finite })
const Refusal = Schema.Struct({ type: Schema.tag("refusal"), id: Id, message: Schema.String })

const Calls = Protocol.make({
  name: "calls",
  inbound: Request,
  outbound: Schema.Union([Answer, Refusal]),
  codec: JsonCodec.make(),
})

const compute = (request: typeof Request.Type): Effect.Effect<number, string> => {
  if (request.type === "wait") return Effect.as(Effect.sleep(request.ms), request.ms)
  const sum = request.numbers.reduce((total, number) => total + number, 0)
  return Number.isFinite(sum) ? Effect.succeed(sum) : Effect.fail("the sum is beyond the numbers")
}

const answer = (request: typeof Request.Type): Effect.Effect<typeof Answer.Type | typeof Refusal.Type> =>
  Effect.match(compute(request), {
    onFailure: (message) => ({ type: "refusal", id: request.id, message }),
    onSuccess: (value) => ({ type: "answer", id: request.id, value }),
  })

const CallsServer = Server.serve(Calls, (connection) =>
  Stream.mapEffect(connection.messages, answer, { concurrency: 16, unordered: true }),
)

const Main = CallsServer.pipe(
  Layer.provide(TcpTransport.layer({ port: Number(process.argv[2] ?? 0) })),
  Layer.provide(Layer.provideMerge(LogEvents.layer, ServerEvents.layer)),
)

NodeRuntime.runMain(Layer.launch(Main), { teardown: Drain.teardown })
