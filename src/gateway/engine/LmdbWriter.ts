/**
 * Group commit: takes drafts, gives them their offsets, writes all that wait in one transaction, then delivers and
 * answers. Plain code, because every publication passes here; `LmdbEngine` is its Effect.
 *
 * One transaction runs at a time. What it writes is what the channels at hand say at its start, so that they are always
 * ahead of the store, and the store is never ahead of them: whoever reads the store cuts at `committed`.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Position } from "../protocol/Fields.ts"
import { type Accepted, type Counts, type Deliver, type Draft, EngineError } from "./Engine.ts"
import type { Page, Publication, Range } from "./Engine.ts"
import type { Options } from "./LmdbEngine.ts"
import { type Head, LmdbHeads } from "./LmdbHeads.ts"
import * as LmdbHistory from "./LmdbHistory.ts"
import * as LmdbKeys from "./LmdbKeys.ts"
import type { LmdbStore } from "./LmdbStore.ts"
import * as LmdbSweep from "./LmdbSweep.ts"
import * as MemoryEngine from "./MemoryEngine.ts"
import * as Publications from "./Publications.ts"
import * as Records from "./Records.ts"
import type { Times } from "./Times.ts"

/** Drafts that wait to be written. Over it they are refused. */
export const maxWaiting = 10_000

/** Bytes of data and tags of the drafts that wait to be written, 32 MiB. Over it they are refused. */
export const maxWaitingBytes = 32 * 1024 * 1024

/** Publications of one transaction, a few milliseconds of this thread. */
const batchSize = 1000

/**
 * A transaction that follows another waits for as many drafts as were answered by it and came while it ran, for at most
 * the time it took, and so many milliseconds: those who were just answered are about to publish again. Without it 50
 * clients become two halves that wait for each other, and a sync serves 25 of them.
 */
const maxGatherMs = 5

/** Somebody to be answered. */
interface Waiting {
  readonly head: Head | undefined
  /** Absent if nothing is to be written: a duplicate, or a refusal that waits for its turn. */
  readonly publication: Publication | undefined
  readonly at: number
  readonly bytes: number
  readonly key: string | undefined
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
  private readonly sweeper: LmdbSweep.LmdbSweep
  private readonly maxChannels: number
  private readonly life: string
  private nextChannel: number
  private batch: number
  private channels: number
  private waiting: Array<Waiting> = []
  private waitingBytes = 0
  private isScheduled = false
  private isCommitting = false
  private isSweepDue = false
  private failure: EngineError | undefined
  private resumers: Array<() => void> = []
  /** While drafts are gathered: how many of them are enough, and what to do then. */
  private gathering: { readonly enough: number; readonly end: () => void } | undefined

  constructor(
    store: LmdbStore,
    options: Omit<Options, "directory" | "sync" | "reserveBytes">,
    times: Times,
    onFailure: (error: EngineError) => void,
  ) {
    const { state } = store
    this.store = store
    this.times = times
    this.onFailure = onFailure
    this.heads = new LmdbHeads(store, options.retention)
    this.keys = new LmdbKeys.LmdbKeys(store, options.keys)
    const ttl = Duration.fromInputUnsafe(options.positionTtl ?? MemoryEngine.defaultPositionTtl)
    this.sweeper = new LmdbSweep.LmdbSweep(store, this.heads, Duration.toMillis(ttl), state)
    this.maxChannels = options.maxChannels ?? MemoryEngine.defaultMaxChannels
    this.life = state.life
    this.nextChannel = state.nextChannel
    this.batch = state.batch
    this.channels = store.heads.size()
    this.hasSpace = store.hasSpace()
  }

  publish(draft: Draft, answer: Waiting["answer"]): void {
    const refusal = this.refusal()
    if (refusal !== undefined) return answer(Result.fail(refusal))
    this.times.read()
    const { age, wall } = this.times
    const { channel: name, key: draftKey } = draft
    const key = draftKey === undefined ? undefined : LmdbKeys.idOf({ channel: name, ...draftKey })
    const first = key === undefined ? undefined : this.keys.find(key, age)
    if (first !== undefined) {
      const isSame = first.fingerprint === draftKey!.fingerprint
      const duplicate: Accepted = { offset: first.offset, epoch: first.epoch + this.life, duplicate: true }
      return this.answerInTurn(isSame ? Result.succeed(duplicate) : Result.fail(EngineError.keyReused()), answer)
    }
    let head = this.heads.find(name)
    if (head === undefined || head.offset === 0) {
      if (this.channels >= this.maxChannels) {
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
    if (key !== undefined) {
      this.keys.add(key, { fingerprint: draftKey!.fingerprint, offset, epoch: head.epoch }, age)
    }
    const publication = Publications.make(draft, offset, previous, head.time)
    const bytes = Publications.byteLength(draft)
    this.waitingBytes += bytes
    const result = Result.succeed({ offset, epoch: head.epoch + this.life })
    this.waiting.push({ head, publication, at: age, bytes, key, withheldFrom: draft.withheldFrom, result, answer })
    if (this.gathering !== undefined && this.waiting.length >= this.gathering.enough) this.gathering.end()
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
    const { publications } = this.store
    const [channels, keys] = [this.channels, this.keys.size]
    return { channels, publications: publications.size(), bytes: publications.bytes(), keys }
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
    const look = () =>
      this.waiting.length === 0 && !this.isCommitting ? resume(Effect.void) : void setTimeout(look, 1)
    look()
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
    this.times.read()
    if (this.sweeper.isDue(this.times.age) || this.keys.isDue(this.times.age)) {
      this.isSweepDue = true
      this.schedule()
    }
    this.hasSpace = this.store.hasSpace()
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
    return unavailable(`${this.waiting.length} publications wait to be written, more are not taken`)
  }

  private hasRoom(): boolean {
    const isHalfFull = this.waiting.length > maxWaiting / 2 || this.waitingBytes > maxWaitingBytes / 2
    return this.failure !== undefined || !isHalfFull
  }

  private answerInTurn(result: Waiting["result"], answer: Waiting["answer"]): void {
    if (this.waiting.length === 0 && !this.isCommitting) return answer(result)
    const nothing = { head: undefined, publication: undefined, key: undefined, withheldFrom: undefined }
    this.waiting.push({ ...nothing, at: 0, bytes: 0, result, answer })
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
    let [enough, gatherMs] = [0, 0]
    while (this.failure === undefined && (this.waiting.length > 0 || this.isSweepDue || enough > 1)) {
      // A timer is no shorter than a millisecond: what is done sooner is not waited for.
      if (this.waiting.length < enough && gatherMs >= 1) await this.gather(enough, gatherMs)
      if (this.failure !== undefined) break
      const startedAt = performance.now()
      const batch = this.waiting.splice(0, batchSize)
      const swept: Array<Head> = []
      try {
        if (this.isSweepDue || batch.some(({ publication }) => publication !== undefined)) {
          this.hasSpace = this.store.hasSpace()
          await this.store.commit(++this.batch, () => this.write(batch, swept))
        }
        this.finish(batch, swept)
      } catch (cause) {
        this.fail(batch, cause)
      }
      for (const resume of this.hasRoom() ? this.resumers.splice(0) : []) resume()
      enough = Math.min(batchSize, batch.length + this.waiting.length)
      gatherMs = Math.min(maxGatherMs, performance.now() - startedAt)
    }
    this.isCommitting = false
  }

  /** Waits until so many drafts wait, or the time is over. */
  private gather(enough: number, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        this.gathering = undefined
        resolve()
      }
      const timer = setTimeout(end, ms)
      this.gathering = { enough, end }
    })
  }

  private write(batch: ReadonlyArray<Waiting>, swept: Array<Head>): Records.State {
    const { age, wall } = this.times
    const published = new Set<Head>()
    for (const { at, head, publication } of batch) {
      if (head === undefined || publication === undefined) continue
      published.add(head)
      head.written = { offset: publication.offset, time: publication.time, at }
    }
    for (const { at, head, key, publication } of batch) {
      if (head === undefined || publication === undefined) continue
      LmdbHistory.write(this.store, head, publication, at)
      if (key !== undefined) this.keys.write(key)
    }
    for (const head of published) this.sweeper.published(head)
    this.keys.expire(age)
    if (this.isSweepDue) {
      const { forgotten, heads, more } = this.sweeper.run(age)
      this.isSweepDue = more || this.keys.isDue(age)
      this.channels -= forgotten
      for (const head of heads) {
        // Not to be read again from the store before it says what was written now.
        head.waiting++
        swept.push(head)
        published.add(head)
      }
    }
    for (const head of published) this.store.heads.put(Buffer.from(head.name), Records.head(head))
    const { epoch, forgottenRound } = this.sweeper
    const { batch: count, life, nextChannel } = this
    return { epoch, forgottenRound, life, age, wall, nextChannel, nextKey: this.keys.next, batch: count }
  }

  private finish(batch: ReadonlyArray<Waiting>, swept: ReadonlyArray<Head>): void {
    this.heads.written()
    for (const head of swept) head.waiting--
    for (const { answer, bytes, head, key, publication, result, withheldFrom } of batch) {
      this.waitingBytes -= bytes
      if (key !== undefined) this.keys.written(key)
      if (head !== undefined && publication !== undefined) {
        head.committed = publication.offset
        head.waiting--
        head.deliver?.(publication, head.epoch + this.life, withheldFrom)
      }
      answer(result)
    }
  }

  private fail(batch: ReadonlyArray<Waiting>, cause: unknown): void {
    this.failure = unavailable("the store could not be written", cause)
    for (const { answer, publication, result } of batch) answer(publication ? Result.fail(this.failure) : result)
    this.abandon()
    this.onFailure(this.failure)
  }

  private abandon(): void {
    this.gathering?.end()
    for (const { answer } of this.waiting.splice(0)) answer(Result.fail(this.failure!))
    for (const resume of this.resumers.splice(0)) resume()
  }
}

const unavailable = (detail: string, cause?: unknown): EngineError =>
  new EngineError({ reason: "Unavailable", detail, ...(cause === undefined ? undefined : { cause }) })
