/**
 * One budget of bytes for all that connections keep on their way in and out: over it the largest holders go first. And a
 * share of the process's memory above which no newcomer gets a seat. Knows no sockets and no messages.
 *
 * Nobody is asked what it holds before as much has come in as may be held: a look (0.2 to 1.5 µs a connection, as the
 * processor has it at hand or not) is due once what was held at the last one, with all that was taken in since, may be
 * too much. What is held is therefore never more than the budget, a `lookShare` of it, and what one step adds: a frame,
 * or a chunk and the buffer of its frame.
 *
 * A frame that many hold counts for each of them, as it does in their outboxes. So before anybody has to go the buffers of
 * the whole process are measured, in which it counts once.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as CloseReason from "../connection/CloseReason.ts"
import { Intake } from "../connection/Intake.ts"
import * as Limit from "../limit/Limit.ts"
import { MemoryGauge, type Use } from "./MemoryGauge.ts"

/** What all connections together may hold: 256 MiB. */
export const defaultMaxBufferedBytes = 256 * 1024 * 1024

/** The share of the memory, and of the heap, from which on newcomers are refused. */
export const defaultMaxMemoryShare = 0.9

/** Newcomers are let in again below this part of the share, so that a few that leave do not let in as many. */
export const readmittingShare = 0.95

/** What holders are shed down to, of the budget: one shedding is then not followed by the next at once. */
export const sheddingShare = 0.9

/** What may come in between two looks at the least, of the budget: what they cost is bounded by what comes in. */
export const lookShare = 1 / 32

/** How often the use of memory is read. */
export const defaultCheckInterval = Duration.seconds(1)

/** What a budget can be told. `Infinity` switches a limit off. */
export interface Options {
  /** Default: 256 MiB. */
  readonly maxBufferedBytes?: number | undefined
  /** From 0 to 1. Default: 0.9. */
  readonly maxMemoryShare?: number | undefined
  /** Default: 1 s. */
  readonly checkInterval?: Duration.Input | undefined
}

/** Somebody who holds bytes, and can let go of them. */
export interface Holder {
  readonly heldBytes: number
  readonly shedUnsafe: (reason: CloseReason.CloseReason) => void
}

/** What was shed of one server, when all held `heldBytes`. */
export interface Shed {
  readonly connections: number
  readonly shedBytes: number
  readonly heldBytes: number
  readonly allowedBytes: number
}

/** A server that shares the budget. */
export interface Member {
  readonly holders: Iterable<Holder>
  readonly onShedUnsafe: (shed: Shed) => void
}

/** The budget of one process. Servers that are provided with the same share it; one that is not has its own. */
export class MemoryBudget extends Context.Service<
  MemoryBudget,
  {
    /** To be told of all that the members' connections take in. */
    readonly intake: Intake
    /** A member for the life of the scope. */
    readonly join: (member: Member) => Effect.Effect<void, never, Scope.Scope>
    /** Why no newcomer is let in, if so. */
    readonly refusalUnsafe: () => CloseReason.CloseReason | undefined
    /** What all members' connections hold now: a look at each of them. */
    readonly heldBytesUnsafe: () => number
  }
>()("longline/server/MemoryBudget") {}

/** A budget that watches for as long as the scope is open. */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const readings = yield* MemoryGauge
  const { maxBufferedBytes: allowed, maxMemoryShare: maxShare } = Limit.checkedUnsafe({
    maxBufferedBytes: options.maxBufferedBytes ?? defaultMaxBufferedBytes,
    maxMemoryShare: options.maxMemoryShare ?? defaultMaxMemoryShare,
  })
  const { checkInterval } = Limit.durationsUnsafe({ checkInterval: options.checkInterval ?? defaultCheckInterval })
  const members = new Set<Member>()

  const look = (): void => {
    const held = heldBytes(members)
    const isOver = held > allowed && readings.bufferBytes() > allowed
    const left = isOver ? held - shed(members, { held, allowed }) : held
    intake.allow(Math.max(allowed - left, allowed * lookShare))
  }
  const intake = new Intake(allowed, look)

  let refusal: CloseReason.CloseReason | undefined
  const judge = (limit: "memory" | "heap", { limitBytes, usedBytes }: Use) => {
    const share = refusal === undefined ? maxShare : maxShare * readmittingShare
    if (usedBytes <= limitBytes * share) return undefined
    return CloseReason.Refused({ limit, allowed: Math.floor(limitBytes * maxShare), observed: usedBytes })
  }
  const check = (): void => {
    refusal = judge("memory", readings.memory()) ?? judge("heap", readings.heap())
  }
  check()
  yield* Effect.sync(check).pipe(Effect.delay(checkInterval), Effect.forever, Effect.forkScoped)

  return MemoryBudget.of({
    intake,
    join: (member) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => members.add(member)),
          () => Effect.sync(() => members.delete(member)),
        ),
      ),
    refusalUnsafe: () => refusal,
    heldBytesUnsafe: () => heldBytes(members),
  })
})

/** One budget for all servers that are provided with it; what is not given keeps its default. */
export const layer = (options: Options): Layer.Layer<MemoryBudget> => Layer.effect(MemoryBudget, make(options))

/** The budget that was provided, or one of the caller's own. */
export const current: Effect.Effect<MemoryBudget["Service"], never, Scope.Scope> = Effect.flatMap(
  Effect.serviceOption(MemoryBudget),
  Option.match({ onNone: () => make(), onSome: Effect.succeed }),
)

const heldBytes = (members: Iterable<Member>): number => {
  let bytes = 0
  for (const { holders } of members) for (const holder of holders) bytes += holder.heldBytes
  return bytes
}

/** The largest holders let go, until enough is free. Tells how much that is. */
const shed = (
  members: Iterable<Member>,
  { allowed, held }: { readonly allowed: number; readonly held: number },
): number => {
  const all = Array.from(members, (member) => ({ member, connections: 0, shedBytes: 0 }))
  const largest = all
    .flatMap((tally) => Array.from(tally.member.holders, (holder) => ({ tally, holder, bytes: holder.heldBytes })))
    .filter(({ bytes }) => bytes > 0)
    .toSorted((a, b) => b.bytes - a.bytes)
  let freed = 0
  for (const { tally, holder, bytes } of largest) {
    if (held - freed <= allowed * sheddingShare) break
    holder.shedUnsafe(CloseReason.Overloaded({ allowed, observed: held, held: bytes }))
    freed += bytes
    tally.connections++
    tally.shedBytes += bytes
  }
  for (const { member, connections, shedBytes } of all) {
    if (connections > 0) member.onShedUnsafe({ connections, shedBytes, heldBytes: held, allowedBytes: allowed })
  }
  return freed
}
