/**
 * The program of one thread of `longline bench`: makes its dialer, and does its share.
 * Prints nothing: what it has to say goes to the thread that started it.
 */
import * as Effect from "effect/Effect"
import * as Team from "../load/Team.ts"
import * as Work from "../load/Work.ts"
import * as BenchWay from "./BenchWay.ts"

const { plan, way, worker } = Team.task<BenchWay.Way>()

await Effect.runPromise(Team.work(worker, (crew) => Work.run({ plan, crew, dial: BenchWay.dialer(way) })))
