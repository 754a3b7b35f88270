/**
 * The times at which the connections of a server want to be looked at: one queue, one sleeping fiber, one timer.
 * Hot: plain code. Knows no connection: what rings decides for itself what it means.
 *
 * A fiber that sleeps for each connection's heartbeat cost it 2 KB, and another one for its first frame as much in its
 * first ten seconds (bench, idle); an alarm in the queue costs 0.1 KB.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as DeadlineQueue from "./DeadlineQueue.ts"

/**
 * An alarm rings at its time, or up to so much later if others have just rung: what is due within it rings together, and
 * is written together. With 10 ms the heartbeats of 15 000 connections cost 1.8 times as much (bench, heartbeats).
 */
export const quantumMs = 50

/** Alarms that ring in one turn of the event loop; more of them that are due take more turns, a millisecond apart. */
export const ringsPerTurn = 256

/** Something that rings once for each time it is set. Its fields belong to the alarms. */
export interface Alarm {
  deadline: number
  slot: number
  /** Runs at the time `now`. May set and lift alarms, its own too; must not throw. */
  ringUnsafe(now: number): void
}

/** An alarm that is not set. */
export const make = (ringUnsafe: (now: number) => void): Alarm => ({
  deadline: 0,
  slot: DeadlineQueue.noSlot,
  ringUnsafe,
})

/** The alarms of one server. Times are those of its monotonic clock, in milliseconds. */
export class Alarms {
  readonly #queue = DeadlineQueue.make<Alarm>()
  readonly #now: () => number
  readonly #sleep: (ms: number, wake: () => void) => Fiber.Fiber<void>
  #sleeper: Fiber.Fiber<void> | undefined
  /** When the sleeper wakes; infinite without one, and none is wanted while alarms ring. */
  #wakesAt = Infinity
  /** When the next ones may ring. */
  #notBefore = -Infinity

  constructor(now: () => number, sleep: (ms: number, wake: () => void) => Fiber.Fiber<void>) {
    this.#now = now
    this.#sleep = sleep
  }

  /** Alarms that are set. */
  get size(): number {
    return this.#queue.size()
  }

  /** Sets the alarm to a time, whole milliseconds, instead of the one it had. One that is infinite never rings. */
  set(alarm: Alarm, time: number): void {
    const at = Math.ceil(time)
    if (alarm.slot !== DeadlineQueue.noSlot) {
      if (alarm.deadline === at) return
      this.#queue.remove(alarm)
    }
    if (at === Infinity) return
    alarm.deadline = at
    this.#queue.add(alarm)
    this.#arm()
  }

  /** The alarm does not ring any more, and nothing is remembered of it. */
  lift(alarm: Alarm): void {
    this.#queue.remove(alarm)
  }

  /** Makes sure that somebody wakes for the first one: a sleeper that wakes too early for nothing is no harm. */
  #arm(): void {
    const first = this.#queue.first()
    if (first === undefined) return
    const at = Math.max(first.deadline, this.#notBefore)
    if (at >= this.#wakesAt) return
    this.#sleeper?.interruptUnsafe()
    this.#wakesAt = at
    this.#sleeper = this.#sleep(Math.max(0, Math.ceil(at - this.#now())), this.#ring)
  }

  readonly #ring = (): void => {
    const now = this.#now()
    this.#sleeper = undefined
    // Of those left behind by a full turn none waits for a quantum: 5 000 a second would be all that ever ring.
    this.#notBefore = now + 1
    this.#wakesAt = -Infinity
    try {
      for (let rung = 0; rung < ringsPerTurn; rung++) {
        const first = this.#queue.first()
        if (first === undefined || first.deadline > now) {
          this.#notBefore = now + quantumMs
          break
        }
        this.#queue.remove(first)
        first.ringUnsafe(now)
      }
    } finally {
      this.#wakesAt = Infinity
      this.#arm()
    }
  }
}

/** Alarms that ring as long as the scope is open. A server's are made before its drain, which they outlive. */
export const scoped = (now: () => number): Effect.Effect<Alarms, never, Scope.Scope> =>
  Effect.gen(function* () {
    // A sleeper comes later than the scope's other finalizers; in a scope of its own it still goes in its turn.
    const scope = yield* Effect.flatMap(Effect.scope, (outer) => Scope.fork(outer))
    const services = yield* Effect.context<never>()
    const fork = Effect.runForkWith(services)
    return new Alarms(now, (ms, wake) => {
      const sleeping = fork(Effect.flatMap(Effect.sleep(ms), () => Effect.sync(wake)))
      return Fiber.runIn(sleeping, scope)
    })
  })
