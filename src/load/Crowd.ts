/**
 * The connections of a worker that have one role: each place is taken at its time, again after a failure, and left when the
 * load says so. Counts every connection that ends though nobody wanted it.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Chance from "./Chance.ts"
import { type Context, isAboutConnecting, isMine, LoadFailed, settle } from "./Context.ts"
import type { Measure } from "./Figures.ts"
import * as Link from "./Link.ts"
import * as Pacer from "./Pacer.ts"
import type { Stamp } from "./Stamp.ts"

/** What a place is for. */
export interface Role {
  /** How many places all workers have together. */
  readonly count: number
  /** The number of the first; the default is 0. Each place of a load has a number of its own. */
  readonly from?: number
  /** What each place subscribes to. */
  readonly channels?: (index: number) => ReadonlyArray<string>
  /** Commands in a second that each will send: a server that takes fewer is refused at once. */
  readonly commandsPerSecond?: number
  readonly keepsPositions?: boolean
  readonly onPublication?: (stamp: Stamp, index: number) => void
  readonly onMessage?: (message: Link.Message, index: number, link: Link.Link) => void
  /** True if this end was to be expected. */
  readonly onEnded?: (ending: Link.Ending, index: number) => boolean
}

/** One place, and the connection that has it. */
export interface Place {
  readonly index: number
  link: Link.Link | undefined
  scope: Scope.Closeable | undefined
  /** Whether it was ever taken. */
  isKnown: boolean
  resume: Link.Resume | undefined
}

/** Before another attempt to connect, where the server does not say; chance shortens it. */
const backoffMs = { first: 200, longest: 5_000 }

/** The places of one role that are this worker's. */
export class Crowd {
  readonly places: ReadonlyArray<Place>
  readonly #byIndex: ReadonlyMap<number, Place>
  readonly #context: Context
  readonly #role: Role
  readonly #from: number
  #lastFailure: Link.Ending | undefined = undefined

  constructor(context: Context, role: Role) {
    this.#context = context
    this.#role = role
    this.#from = role.from ?? 0
    this.places = Array.from({ length: role.count }, (_, n) => this.#from + n)
      .filter((index) => isMine(context, index))
      .map((index) => ({ index, link: undefined, scope: undefined, isKnown: false, resume: undefined }))
    this.#byIndex = new Map(this.places.map((place) => [place.index, place]))
  }

  /** The place with this number, if it is this worker's. */
  place(index: number): Place | undefined {
    return this.#byIndex.get(index)
  }

  /** Takes all places at the plan's pace. Fails if one cannot be taken, or if the server takes too few commands of each. */
  get fill(): Effect.Effect<void, LoadFailed> {
    return Effect.suspend(() => {
      const context = this.#context
      let waiting = this.places.length
      const schedule: Pacer.Schedule = {
        from: context.now(),
        perSecond: context.plan.connectRate,
        count: this.#role.count,
        // Of all others it is not what is measured.
        slipFrom: isAboutConnecting(context) ? 0 : Infinity,
        isMine: (n) => this.#byIndex.has(this.#from + n),
        fire: (n, at) => {
          const taken = this.take(this.#byIndex.get(this.#from + n)!, at, "connect")
          context.fork(
            Effect.andThen(
              taken,
              Effect.sync(() => void waiting--),
            ),
          )
        },
      }
      return Pacer.run(context, schedule).pipe(
        Effect.andThen(settle(context, () => waiting === 0)),
        Effect.andThen(Effect.suspend(() => this.#judge())),
      )
    })
  }

  /**
   * Takes a place that should be taken at this time: tries again and again, as long as the plan has patience. How long it
   * took counts as what is named, if something is.
   */
  take(place: Place, at: number, measure: Measure | undefined): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      const { figures, now, plan, scope } = this.#context
      for (let attempt = 0; ; attempt++) {
        const own = Scope.forkUnsafe(scope)
        const opened = yield* Effect.result(Scope.provide(Link.open(this.#options(place)), own))
        if (opened._tag === "Success") {
          place.link = opened.success
          place.scope = own
          if (!place.isKnown) figures.counts.connections++
          place.isKnown = true
          if (measure !== undefined) figures.record(measure, now() - at)
          return
        }
        yield* Scope.close(own, Exit.void)
        const { message, waitMs } = (this.#lastFailure = opened.failure.ending)
        figures.counts.retries++
        figures.complain(message)
        const longest = Math.min(backoffMs.longest, backoffMs.first * 2 ** attempt)
        const wait = (waitMs ?? 0) + longest * Chance.at(plan.seed, `backoff ${place.index}`, attempt)
        if (now() - at + wait * 1000 > plan.settleMs * 1000) return
        yield* Effect.sleep(wait)
      }
    })
  }

  /** Resets the connection of a place; it may be taken again. */
  leave(place: Place): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { link, scope } = place
      place.resume = link?.resume ?? place.resume
      place.link = place.scope = undefined
      link?.leave()
      return scope === undefined ? Effect.void : Scope.close(scope, Exit.void)
    })
  }

  #options(place: Place): Link.Options {
    const { dial, figures, plan, stamps } = this.#context
    const { channels, keepsPositions, onEnded, onMessage, onPublication } = this.#role
    const { index } = place
    return {
      dial: dial(index),
      token: plan.token,
      channels: channels?.(index) ?? [],
      keepsPositions,
      resume: place.resume,
      stamps,
      timeoutMs: plan.connectTimeoutMs,
      onPublication: (stamp) => onPublication?.(stamp, index),
      onHeartbeat: () => figures.counts.heartbeats++,
      onMessage: (message, link) => {
        if (message.type === "error") {
          figures.counts.errors++
          figures.complain(`error ${String(message["code"])}: ${String(message["message"])}`)
        }
        onMessage?.(message, index, link)
      },
      onEnded: (ending) => {
        if (onEnded?.(ending, index) !== true) {
          figures.counts.closed++
          figures.complain(ending.message)
        }
        this.#context.fork(this.leave(place))
      },
    }
  }

  #judge(): Effect.Effect<void, LoadFailed> {
    const missing = this.places.filter(({ isKnown }) => !isKnown).length
    if (missing > 0) {
      const ending = this.#lastFailure ?? { message: "no answer" }
      const message = `${missing} of ${this.places.length} could not connect: ${ending.message}`
      return Effect.fail(new LoadFailed({ message, ending }))
    }
    const { commandsPerSecond: asked = 0, count } = this.#role
    const allowed = Math.min(...this.places.map(({ link }) => link?.commandsPerSecond ?? Infinity))
    if (asked <= allowed) return Effect.void
    const message = `the load is ${Math.ceil(asked)} commands a second on each of ${count} connections, and the server takes ${allowed}: spread it over more connections, or lower the rate`
    return Effect.fail(new LoadFailed({ message }))
  }
}
