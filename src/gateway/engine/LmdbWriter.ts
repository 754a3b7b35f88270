/**
 * Group commit: takes drafts, gives them their offsets, writes all that wait in one transaction, then delivers and
 * answers. Plain code, because every publication passes here; `LmdbEngine` is its Effect.
 *
 * One transaction runs at a time. Each writes one record of the log; when the log was long enough before, or a second old,
 * it puts that in its places too (`LmdbSettling`). What that writes is what the channels at hand say at its start, so that
 * they are always ahead of the store, and the store is never ahead of them: whoever reads the store cuts at `stored`, and
 * has the rest from them.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Position } from "../protocol/Fields.ts"
import { type Accepted, type Counts, type Deliver, type Draft, EngineError } from "./Engine.ts"
import type { Page, Range, Retention } from "./Engine.ts"
import { Gathering } from "./Gathering.ts"
import type * as Idempotency from "./Idempotency.ts"
import { type Head, LmdbHeads } from "./LmdbHeads.ts"
import * as LmdbHistory from "./LmdbHistory.ts"
import * as LmdbKeys from "./LmdbKeys.ts"
import * as LmdbLog from "./LmdbLog.ts"
import { LmdbSettling } from "./LmdbSettling.ts"
import type { LmdbStore } from "./LmdbStore.ts"
import * as LmdbSweep from "./LmdbSweep.ts"
import { LmdbTrim } from "./LmdbTrim.ts"
import * as MemoryEngine from "./MemoryEngine.ts"
import * as Publications from "./Publications.ts"
import * as Records from "./Records.ts"
import type { Times } from "./Times.ts"

/** What is kept, and for how long. */
export interface Options {
  /** What is kept of a channel, asked when it comes to hand. */
  readonly retention: (channel: string) => Retention
  /** Default: `MemoryEngine.defaultMaxChannels`. */
  readonly maxChannels?: number | undefined
  /** Default: `MemoryEngine.defaultPositionTtl`. Longer than keys are remembered. */
  readonly positionTtl?: Duration.Input | undefined
  /** Limits of the keys remembered. */
  readonly keys?: Parameters<typeof Idempotency.make>[0] | undefined
  /** Publications in the log before they are put in their places. Default: `LmdbLog.defaultMaxLogged`. */
  readonly maxLogged?: number | undefined
}

/** Drafts that wait to be written. Over it they are refused. */
export const maxWaiting = 10_000

/** Bytes of data and tags of the drafts that wait to be written, 32 MiB. Over it they are refused. */
export const maxWaitingBytes = 32 * 1024 * 1024

/** Publications of one transaction, a few milliseconds of this thread. */
const batchSize = 1000

/** Somebody to be answered. */
interface Waiting {
  /** Absent if nothing is to be written: a duplicate, or a refusal that waits for its turn. */
  readonly placed: LmdbLog.Placed | undefined
  /** What it is a duplicate of, or would have been. */
  readonly first?: Records.KeyUse | undefined
  readonly bytes: number
  readonly withheldFrom: string | undefined
  readonly result: Result.Result<Accepted, EngineError>
  readonly answer: (accepted: Result.Result<Accepted, EngineError>) => void
}

/** The clock of ages at the wall's `now`: it went on while nobody ran, and not back when the clock was set back. */
export const ageAt = (state: Records.State, now: number): number => state.age + Math.max(0, now - state.wall)

/** Everything of the engine but Effect. */
export class LmdbWriter {
  /** Whether publications are taken, as far as the disk is concerned. */
  hasSpace = true
  private hadSpace = true
  private readonly store: LmdbStore
  private readonly times: Times
  private readonly onFailure: (error: EngineError) => void
  private readonly heads: LmdbHeads
  private readonly keys: LmdbKeys.LmdbKeys
  private readonly log: LmdbLog.LmdbLog
  private readonly sweeper: LmdbSweep.LmdbSweep
  private readonly trim: LmdbTrim
  private readonly settling: LmdbSettling
  private readonly maxChannels: number
  private readonly retention: Options["retention"]
  private readonly life: string
  private nextChannel: number
  private batch: number
  private channels: number
  private waiting: Array<Waiting> = []
  private waitingBytes = 0
  private isScheduled = false
  private isCommitting = false
  /** Whether the log is to be put in its place, and what is too old or too much removed. */
  private isSweepDue = false
  private failure: EngineError | undefined
  private resumers: Array<() => void> = []
  private readonly gathering = new Gathering()

  constructor(store: LmdbStore, options: Options, times: Times, onFailure: (error: EngineError) => void) {
    const { state } = store
    this.store = store
    this.times = times
    this.onFailure = onFailure
    this.retention = options.retention
    this.heads = new LmdbHeads(store, options.retention)
    this.keys = new LmdbKeys.LmdbKeys(store, options.keys)
    this.log = new LmdbLog.LmdbLog(store, options.maxLogged)
    const ttl = Duration.fromInputUnsafe(options.positionTtl ?? MemoryEngine.defaultPositionTtl)
    this.sweeper = new LmdbSweep.LmdbSweep(store, this.heads, Duration.toMillis(ttl), state)
    const { heads, keys, log, sweeper } = this
    this.trim = new LmdbTrim({ store, heads, sweeper, retention: options.retention })
    this.settling = new LmdbSettling({ store, heads, keys, log, sweeper, trim: this.trim })
    this.maxChannels = options.maxChannels ?? MemoryEngine.defaultMaxChannels
    this.life = state.life
    this.nextChannel = state.nextChannel
    this.batch = state.batch
    this.channels = store.heads.size()
    this.hasSpace = store.hasSpace()
    this.restore()
  }

  publish(draft: Draft, answer: Waiting["answer"]): void {
    const refusal = this.refusal()
    if (refusal !== undefined) return answer(Result.fail(refusal))
    const tooLarge = Publications.refusalOf(draft)
    if (tooLarge !== undefined) return this.answerInTurn(Result.fail(tooLarge), answer)
    this.times.read()
    const { age, wall } = this.times
    const { channel: name, key: draftKey } = draft
    const id = draftKey === undefined ? undefined : LmdbKeys.idOf({ channel: name, ...draftKey })
    const first = id === undefined ? undefined : this.keys.find(id, age)
    if (first !== undefined) {
      const isSame = first.fingerprint === draftKey!.fingerprint
      const duplicate: Accepted = { offset: first.offset, epoch: first.epoch + this.life, duplicate: true }
      return this.answerInTurn(isSame ? Result.succeed(duplicate) : Result.fail(EngineError.keyReused()), answer, first)
    }
    let head = this.heads.find(name)
    if (head === undefined || head.offset === 0) {
      if (this.channels >= this.maxChannels && this.retention(name).isReserved !== true) {
        return this.answerInTurn(Result.fail(EngineError.channelLimit(this.maxChannels)), answer)
      }
      this.channels++
      head ??= this.addHead(name)
    }
    const previous = head.offset
    const offset = (head.offset = previous + 1)
    head.time = Math.max(head.time, wall)
    head.at = age
    head.waiting++
    const use = { fingerprint: draftKey?.fingerprint ?? "", offset, epoch: head.epoch }
    const key = id === undefined ? undefined : this.keys.add(id, use, age)
    const publication = Publications.make(draft, offset, previous, head.time)
    const bytes = Publications.byteLength(draft)
    this.waitingBytes += bytes
    const result = Result.succeed({ offset, epoch: head.epoch + this.life })
    const placed = { head, publication, at: age, key }
    this.waiting.push({ placed, bytes, withheldFrom: draft.withheldFrom, result, answer })
    this.gathering.have(this.waiting.length)
    this.schedule()
  }

  attach(name: string, deliver: Deliver): Position {
    this.heads.attach(this.heads.find(name) ?? this.addHead(name), deliver)
    return this.position(name)
  }

  detach(name: string): void {
    this.heads.detach(name)
  }

  position(name: string): Position {
    const head = this.heads.find(name)
    return { offset: head?.committed ?? 0, epoch: (head?.epoch ?? this.sweeper.epoch) + this.life }
  }

  read(name: string, range: Range): Page {
    this.times.read()
    const head = this.heads.find(name)
    if (head !== undefined) return LmdbHistory.read(this.store, head, head.epoch + this.life, range, this.times.age)
    return { publications: [], position: this.position(name), prunedTo: 0, more: false }
  }

  /** Something that reads the store, which can be damaged. */
  reading<A>(read: () => A): Effect.Effect<A, EngineError> {
    return Effect.try({ try: read, catch: (cause) => unavailable("the store cannot be read", cause) })
  }

  counts(): Counts {
    const { log, publications } = this.store
    const [channels, keys] = [this.channels, this.keys.size]
    const [count, bytes] = [publications.size() + this.log.all.length, publications.bytes() + log.bytes()]
    return { channels, publications: count, bytes, keys }
  }

  readonly health: Effect.Effect<void, EngineError> = Effect.suspend(() => {
    const refusal = this.refusal()
    return refusal === undefined ? Effect.void : Effect.fail(refusal)
  })

  readonly room: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.hasRoom()) return resume(Effect.void)
    const resumer = () => resume(Effect.void)
    this.resumers.push(resumer)
    return Effect.sync(() => {
      this.resumers = this.resumers.filter((each) => each !== resumer)
    })
  })

  /** Completes when nothing waits to be written. */
  readonly drained: Effect.Effect<void> = Effect.callback((resume) => {
    let timer: NodeJS.Timeout | undefined
    const look = (): void => {
      if (this.waiting.length === 0 && !this.isCommitting) resume(Effect.void)
      else timer = setTimeout(look, 1)
    }
    look()
    return Effect.sync(() => clearTimeout(timer))
  })

  /** Takes nothing more; returns whether all was written. */
  close(): boolean {
    const isClean = this.failure === undefined && this.waiting.length === 0 && !this.isCommitting
    this.failure ??= unavailable("the server is stopping")
    this.abandon()
    return isClean
  }

  /** What is done from time to time; returns whether the disk ran full or has room again. */
  tick(): boolean {
    if (this.failure !== undefined) return false
    this.hasSpace = this.store.hasSpace()
    this.times.read()
    this.trim.look()
    this.isSweepDue ||= this.log.all.length > 0 || this.trim.isDue || this.isSomethingOld()
    if (this.maySweep) this.schedule()
    const isNews = this.hasSpace !== this.hadSpace
    this.hadSpace = this.hasSpace
    return isNews
  }

  private addHead(name: string): Head {
    return this.heads.add(name, this.nextChannel++, this.sweeper.epoch)
  }

  private refusal(): EngineError | undefined {
    if (this.failure !== undefined) return this.failure
    if (!this.hasSpace) return unavailable("the disk is almost full")
    if (this.waiting.length < maxWaiting && this.waitingBytes < maxWaitingBytes) return undefined
    const { length } = this.waiting
    return unavailable(`${length} publications, ${this.waitingBytes} bytes, wait to be written, more are not taken`)
  }

  private hasRoom(): boolean {
    const isHalfFull = this.waiting.length > maxWaiting / 2 || this.waitingBytes > maxWaitingBytes / 2
    return this.failure !== undefined || !isHalfFull
  }

  private answerInTurn(result: Waiting["result"], answer: Waiting["answer"], first?: Records.KeyUse): void {
    if (this.waiting.length === 0 && !this.isCommitting) return answer(result)
    this.waiting.push({ placed: undefined, first, withheldFrom: undefined, bytes: 0, result, answer })
  }

  /** At the end of the turn, so that what is published within it is one transaction. */
  private schedule(): void {
    if (this.isScheduled || this.isCommitting) return
    this.isScheduled = true
    setImmediate(() => {
      this.isScheduled = false
      void this.commit()
    })
  }

  private async commit(): Promise<void> {
    this.isCommitting = true
    while (this.failure === undefined && (this.waiting.length > 0 || this.maySweep || this.gathering.isDue)) {
      await this.gathering.wait(this.waiting.length)
      if (this.failure !== undefined) break
      const startedAt = performance.now()
      const batch = this.waiting.splice(0, batchSize)
      let drafts = batch.length
      try {
        await this.write(batch.flatMap(({ placed }) => placed ?? []))
        // Before anybody is answered: who publishes within the answer is not somebody else.
        drafts += this.waiting.length
        this.finish(batch)
      } catch (cause) {
        this.fail(batch, cause)
      }
      for (const resume of this.hasRoom() ? this.resumers.splice(0) : []) resume()
      this.gathering.finished(Math.min(batchSize, drafts), performance.now() - startedAt)
    }
    this.isCommitting = false
  }

  private async write(placed: ReadonlyArray<LmdbLog.Placed>): Promise<void> {
    if (placed.length === 0 && !this.maySweep) return
    this.hasSpace = this.store.hasSpace()
    const isSweep = this.maySweep
    if (placed.length === 0 && !isSweep) return
    const isSettling = isSweep || this.log.isFull
    const entry = placed.length === 0 ? undefined : LmdbLog.encode(placed)
    const batch = ++this.batch
    await this.store.commit(batch, () => {
      if (isSettling) this.settle(isSweep)
      if (entry !== undefined) this.log.write(batch, entry)
      return this.state()
    })
    if (isSettling) this.settling.settled()
    if (entry !== undefined) this.log.added(batch, entry)
    // What was in the log was not looked at.
    if (isSweep) this.isSweepDue ||= this.isSomethingOld()
  }

  private settle(isSweep: boolean): void {
    const { age } = this.times
    this.settling.place(age)
    if (!isSweep) return
    const { forgotten, more } = this.settling.sweep(age)
    this.isSweepDue = more
    this.channels -= forgotten
  }

  private state(): Records.State {
    const { age, wall } = this.times
    const { epoch, forgottenRound } = this.sweeper
    const { batch, life, nextChannel } = this
    return { epoch, forgottenRound, life, age, wall, nextChannel, nextKey: this.keys.next, batch }
  }

  /** It can wait until the disk has room again: what is too old is not read. Of what was accepted, nothing waits. */
  private get maySweep(): boolean {
    return this.isSweepDue && this.hasSpace
  }

  private isSomethingOld(): boolean {
    return this.sweeper.isDue(this.times.age) || this.keys.isDue(this.times.age)
  }

  /** What the run before left in the log is at hand again, and is put in its place first. */
  private restore(): void {
    this.log.restore(this.heads)
    if (this.log.all.length === 0) return
    this.isSweepDue = true
    if (this.maySweep) this.schedule()
    for (const { key, offset } of this.log.all) {
      if (offset === 1) this.channels++
      if (key !== undefined) this.keys.restore(key)
    }
  }

  private finish(batch: ReadonlyArray<Waiting>): void {
    for (const { answer, bytes, placed, result, withheldFrom } of batch) {
      this.waitingBytes -= bytes
      if (placed !== undefined) {
        const { head, publication } = placed
        head.committed = publication.offset
        head.deliver?.(publication, head.epoch + this.life, withheldFrom)
      }
      answer(result)
    }
  }

  private fail(batch: ReadonlyArray<Waiting>, cause: unknown): void {
    this.failure = unavailable("the store could not be written", cause)
    const lost = new Set(batch.map(({ placed }) => placed?.key?.use))
    for (const { answer, first, placed, result } of batch) {
      const isLost = placed !== undefined || (first !== undefined && lost.has(first))
      answer(isLost ? Result.fail(this.failure) : result)
    }
    this.abandon()
    this.onFailure(this.failure)
  }

  private abandon(): void {
    this.gathering.stop()
    for (const { answer } of this.waiting.splice(0)) answer(Result.fail(this.failure!))
    for (const resume of this.resumers.splice(0)) resume()
  }
}

const unavailable = (detail: string, cause?: unknown): EngineError =>
  new EngineError({ reason: "Unavailable", detail, ...(cause === undefined ? undefined : { cause }) })
