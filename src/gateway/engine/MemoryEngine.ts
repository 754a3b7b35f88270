/**
 * The engine of one process: publications, positions and keys in its memory, and nothing on disk. A restart is another
 * epoch. Publishing delivers and answers within the call.
 *
 * Publishing is the hot path, so that this file is plain code over maps and arrays; one fiber sweeps what is too old, at
 * the cost of what it removes.
 */
import { randomBytes } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as DeadlineQueue from "../../connection/DeadlineQueue.ts"
import * as Limit from "../../limit/Limit.ts"
import type { Position } from "../protocol/Fields.ts"
import { type Deliver, Engine, EngineError } from "./Engine.ts"
import type { Page, Publication, Range, Retention } from "./Engine.ts"
import * as Idempotency from "./Idempotency.ts"
import * as MemoryHistory from "./MemoryHistory.ts"
import * as MemoryLog from "./MemoryLog.ts"
import * as Publications from "./Publications.ts"
import * as Times from "./Times.ts"

/** Channels whose position is kept. */
export const defaultMaxChannels = 1_000_000

/** How long a position outlives its channel's last publication, at the least. */
export const defaultPositionTtl: Duration.Input = "30 days"

/** How often what is too old is looked for. What is read is never too old, swept or not. */
export const sweepInterval: Duration.Input = "1 second"

/** Removals in one turn of the event loop, about a millisecond. */
const sweepBatch = 1000

/** Positions are forgotten in rounds, so many in the time that they are kept. */
export const roundsPerTtl = 30

/** What `make` takes. */
export interface Options {
  /** What is kept of a channel, asked when it is published to for the first time. */
  readonly retention: (channel: string) => Retention
  /** Of all publications kept. Default: `MemoryHistory.defaultMaxBytes`. */
  readonly maxBytes?: number | undefined
  /** Default: `defaultMaxChannels`. */
  readonly maxChannels?: number | undefined
  /** Default: `defaultPositionTtl`. Longer than keys are remembered. */
  readonly positionTtl?: Duration.Input | undefined
  /** Limits of the keys remembered. */
  readonly keys?: Parameters<typeof Idempotency.make>[0] | undefined
}

interface Channel {
  readonly name: string
  readonly epoch: string
  offset: number
  /** Of the newest publication. */
  time: number
  /** The newest publication's, on the clock of ages. */
  at: number
  retention: Retention | undefined
  /** Absent while nothing is kept. */
  log: MemoryLog.Log | undefined
  deliver: Deliver | undefined
  /** When the sweep looks at it: not later than something of it gets too old. */
  deadline: number
  slot: number
}

/** Starts with no channel. The sweeping fiber lives in the scope. */
export const make = (options: Options): Effect.Effect<Engine["Service"], never, Scope.Scope> =>
  Effect.gen(function* () {
    const store = makeUnsafe(options, Times.make(yield* Clock.Clock))
    const sweep: Effect.Effect<void> = Effect.suspend(() =>
      store.sweep() ? Effect.andThen(Effect.yieldNow, sweep) : Effect.void,
    )
    yield* Effect.sleep(sweepInterval).pipe(Effect.andThen(sweep), Effect.forever, Effect.forkScoped)
    return Engine.of({
      name: "memory",
      publishUnsafe: store.publish,
      room: Effect.void,
      attach: (channel, deliver) => Effect.sync(() => store.attach(channel, deliver)),
      detach: (channel) => Effect.sync(() => store.detach(channel)),
      read: (channel, range) => Effect.sync(() => store.read(channel, range)),
      position: (channel) => Effect.sync(() => store.position(channel)),
      health: Effect.void,
      counts: store.counts,
    })
  })

/** `make` as a layer. */
export const layer = (options: Options): Layer.Layer<Engine> => Layer.effect(Engine, make(options))

/** Everything but Effect. */
const makeUnsafe = (options: Options, times: Times.Times) => {
  const { maxBytes, maxChannels } = Limit.checkedUnsafe({
    maxBytes: options.maxBytes ?? MemoryHistory.defaultMaxBytes,
    maxChannels: options.maxChannels ?? defaultMaxChannels,
  })
  const { positionTtl } = Limit.durationsUnsafe({ positionTtl: options.positionTtl ?? defaultPositionTtl })
  const positionTtlMs = Duration.toMillis(positionTtl)
  const roundMs = positionTtlMs / roundsPerTtl
  const keys = Idempotency.make(options.keys)
  const history = new MemoryHistory.MemoryHistory(maxBytes)
  const channels = new Map<string, Channel>()
  const due = DeadlineQueue.make<Channel>()
  let positions = 0
  let epoch = newEpoch()
  let forgottenRound = -1

  const obtain = (name: string): Channel => {
    const known = channels.get(name)
    if (known !== undefined) return known
    const channel: Channel = {
      name,
      epoch,
      offset: 0,
      time: 0,
      at: 0,
      retention: undefined,
      log: undefined,
      deliver: undefined,
      deadline: Infinity,
      slot: DeadlineQueue.noSlot,
    }
    channels.set(name, channel)
    return channel
  }

  /** The end of the round in which the position is forgotten. */
  const forgetAt = (channel: Channel) => Math.ceil((channel.at + positionTtlMs) / roundMs) * roundMs

  const schedule = (channel: Channel, deadline: number) => {
    if (channel.deadline <= deadline && channel.slot !== DeadlineQueue.noSlot) return
    due.remove(channel)
    channel.deadline = deadline
    due.add(channel)
  }

  const keep = (channel: Channel, publication: Publication) => {
    const { ageMs, size } = (channel.retention ??= options.retention(channel.name))
    if (size > 0) {
      history.add((channel.log ??= new MemoryLog.Log()), size, publication, times.age)
      schedule(channel, times.age + ageMs)
    } else if (channel.slot === DeadlineQueue.noSlot) schedule(channel, forgetAt(channel))
  }

  /** Drops what is too old, at most so many; returns how many it was. */
  const prune = (channel: Channel, atMost: number): number => {
    const { log, retention } = channel
    if (log === undefined) return 0
    let dropped = 0
    while (log.length > 0 && dropped < atMost && times.age - log.oldestAt >= retention!.ageMs) {
      history.dropOldest(log)
      dropped++
    }
    return dropped
  }

  /**
   * A channel that comes back begins at offset 1 again, so it must come back with an epoch that it never had. It had at
   * most the one before this round: it was made a whole `positionTtl` ago, and rounds are shorter.
   */
  const forget = (channel: Channel) => {
    if (channel.deadline !== forgottenRound) epoch = newEpoch()
    forgottenRound = channel.deadline
    channels.delete(channel.name)
    positions--
  }

  const sweepOne = (channel: Channel): number => {
    const dropped = prune(channel, sweepBatch)
    const { log } = channel
    due.remove(channel)
    if (log !== undefined && log.length > 0) {
      const tooOldAt = log.oldestAt + channel.retention!.ageMs
      schedule(channel, Math.min(tooOldAt, Math.max(forgetAt(channel), times.age + roundMs)))
      return dropped
    }
    channel.log = undefined
    const end = forgetAt(channel)
    if (end > times.age) schedule(channel, end)
    else if (channel.deliver !== undefined) schedule(channel, times.age + roundMs)
    else forget(channel)
    return dropped
  }

  /** Removes what is too old, up to a batch; returns whether there is more. */
  const sweep = (): boolean => {
    times.read()
    keys.expire(times.age)
    let work = 0
    for (let first = due.first(); first !== undefined && first.deadline <= times.age; first = due.first()) {
      if (work >= sweepBatch) return true
      work += 1 + sweepOne(first)
    }
    return false
  }

  const position = (name: string): Position => {
    const channel = channels.get(name)
    return channel === undefined ? { offset: 0, epoch } : { offset: channel.offset, epoch: channel.epoch }
  }

  const publish: Engine["Service"]["publishUnsafe"] = (draft, answer) => {
    const refusal = Publications.refusalOf(draft)
    if (refusal !== undefined) return answer(Result.fail(refusal))
    times.read()
    const { age, wall } = times
    keys.expire(age)
    const key =
      draft.key === undefined ? undefined : { channel: draft.channel, user: draft.key.user, key: draft.key.key }
    const first = key === undefined ? undefined : keys.find(key)
    let channel = channels.get(draft.channel)
    if (first !== undefined && channel !== undefined) {
      return answer(
        first.fingerprint === draft.key!.fingerprint
          ? Result.succeed({ offset: first.offset, epoch: channel.epoch, duplicate: true })
          : Result.fail(EngineError.keyReused()),
      )
    }
    const isNew = channel === undefined || channel.offset === 0
    if (isNew && positions >= maxChannels && options.retention(draft.channel).isReserved !== true) {
      return answer(Result.fail(EngineError.channelLimit(maxChannels)))
    }
    channel ??= obtain(draft.channel)
    if (channel.offset === 0) positions++
    const previous = channel.offset
    const offset = (channel.offset = previous + 1)
    channel.time = Math.max(channel.time, wall)
    channel.at = age
    if (key !== undefined) keys.remember(key, { fingerprint: draft.key!.fingerprint, offset }, age)
    const publication = Publications.make(draft, offset, previous, channel.time)
    keep(channel, publication)
    channel.deliver?.(publication, channel.epoch, draft.withheldFrom)
    answer(Result.succeed({ offset, epoch: channel.epoch }))
  }

  const attach = (name: string, deliver: Deliver): Position => {
    const channel = obtain(name)
    channel.deliver = deliver
    return position(name)
  }

  const detach = (name: string) => {
    const channel = channels.get(name)
    if (channel === undefined) return
    channel.deliver = undefined
    // A channel that was never published to leaves nothing behind.
    if (channel.offset === 0) channels.delete(name)
  }

  const read = (name: string, range: Range): Page => {
    times.read()
    const channel = channels.get(name)
    if (channel !== undefined) prune(channel, Infinity)
    const page = new Publications.PageBuilder(range)
    const log = channel?.log
    if (log === undefined || log.length === 0) {
      const { epoch, offset } = position(name)
      return { publications: [], position: { offset, epoch }, prunedTo: offset, more: false }
    }
    // Offsets have no holes here, so that a place in the log follows from the offset.
    const offset = log.firstOffset
    const from = range.reverse === true ? (range.since ?? Infinity) - 1 : (range.since ?? 0) + 1
    const step = range.reverse === true ? -1 : 1
    const start = Math.min(Math.max(from - offset, step > 0 ? 0 : -1), step > 0 ? log.length : log.length - 1)
    for (let kept = log.at(start), i = start; i >= 0 && kept !== undefined; kept = log.at((i += step))) {
      if (!page.take(kept.publication, kept.bytes)) break
    }
    return { publications: page.publications, position: position(name), prunedTo: offset - 1, more: page.more }
  }

  return {
    publish,
    attach,
    detach,
    read,
    position,
    sweep,
    counts: () => ({
      channels: positions,
      publications: history.publications,
      bytes: history.bytes,
      keys: keys.size(),
    }),
  }
}

/** Of channels that begin: tells a client that its position is of another life. */
export const newEpoch = (): string => randomBytes(9).toString("base64url")
