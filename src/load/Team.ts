/**
 * Runs a load on several threads: gives each its number, lets them meet, and gathers what came of each.
 * Runs no load itself; a thread that fails or ends early fails the whole.
 */
import * as Effect from "effect/Effect"
import { parentPort, Worker, workerData } from "node:worker_threads"
import { LoadFailed } from "./Context.ts"
import { type Crew, makeMeeting, type Progress } from "./Crew.ts"
import type { Ending } from "./Link.ts"
import type { Plan } from "./Plan.ts"
import type { Outcome } from "./Work.ts"

/** What a thread is given: its number, the plan, and what its dialer is made of. */
export interface Task<Way> {
  readonly worker: number
  readonly plan: Plan
  readonly way: Way
}

type FromWorker =
  | { readonly type: "meet"; readonly counts: ReadonlyArray<number> }
  | { readonly type: "tell"; readonly progress: Progress }
  | { readonly type: "done"; readonly outcome: Outcome }
  | { readonly type: "failed"; readonly message: string; readonly ending?: Ending }

/** What a team needs. */
export interface Options<Way> {
  readonly plan: Plan
  /** Plain data that a thread makes its dialer of. */
  readonly way: Way
  /** The program of a thread, which calls `work`. */
  readonly program: URL
  readonly tell: (progress: Progress) => void
}

/** Runs the plan on as many threads as it has workers. They end with it, however it ends. */
export const run = <Way>(options: Options<Way>): Effect.Effect<ReadonlyArray<Outcome>, LoadFailed> =>
  Effect.acquireUseRelease(
    Effect.sync(() => start(options)),
    (threads) => gather(options, threads),
    (threads) => Effect.promise(() => Promise.all(threads.map((thread) => thread.terminate()))),
  )

const start = <Way>({ plan, program, way }: Options<Way>): ReadonlyArray<Worker> =>
  Array.from({ length: plan.workers }, (_, worker) => {
    const task: Task<Way> = { worker, plan, way }
    return new Worker(program, { workerData: task })
  })

const gather = <Way>({ tell }: Options<Way>, threads: ReadonlyArray<Worker>) =>
  Effect.callback<ReadonlyArray<Outcome>, LoadFailed>((resume) => {
    const outcomes = new Map<number, Outcome>()
    const told: Array<Progress> = []
    const meeting = makeMeeting(threads.length)
    const fail = (message: string) => resume(Effect.fail(new LoadFailed({ message })))
    const receive = (message: FromWorker, worker: number): void => {
      switch (message.type) {
        case "meet": {
          const sums = meeting(message.counts)
          if (sums !== undefined) for (const thread of threads) thread.postMessage(sums, [])
          return
        }
        case "tell":
          told[worker] = message.progress
          return tell(sum(told))
        case "done":
          outcomes.set(worker, message.outcome)
          if (outcomes.size === threads.length) resume(Effect.succeed([...outcomes.values()]))
          return
        case "failed":
          return resume(Effect.fail(new LoadFailed(message)))
      }
    }
    threads.forEach((thread, worker) => {
      thread.on("message", (message: FromWorker) => receive(message, worker))
      thread.on("error", (error: Error) => fail(`worker ${worker}: ${error.message}`))
      thread.on("exit", (code) => {
        if (!outcomes.has(worker)) fail(`worker ${worker} ended with ${code} before the load did`)
      })
    })
  })

const sum = (told: ReadonlyArray<Progress | undefined>): Progress => {
  const all = { connections: 0, sent: 0, received: 0 }
  for (const { connections, received, sent } of told.filter((one) => one !== undefined)) {
    all.connections += connections
    all.sent += sent
    all.received += received
  }
  return all
}

/** In a thread: what it is to do. */
export const task = <Way>(): Task<Way> => workerData as Task<Way>

/** In a thread: does it, and tells the team. */
export const work = (worker: number, run: (crew: Crew) => Effect.Effect<Outcome, LoadFailed>): Effect.Effect<void> => {
  const post = (message: FromWorker) => parentPort?.postMessage(message, [])
  const crew: Crew = {
    worker,
    meet: (counts) =>
      Effect.callback((resume) => {
        parentPort?.once("message", (sums: ReadonlyArray<number>) => resume(Effect.succeed(sums)))
        post({ type: "meet", counts })
      }),
    tell: (progress) => post({ type: "tell", progress }),
  }
  return Effect.match(run(crew), {
    onFailure: ({ ending, message }) => post({ type: "failed", message, ...(ending && { ending }) }),
    onSuccess: (outcome) => post({ type: "done", outcome }),
  })
}
