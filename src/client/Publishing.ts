/**
 * Publishes once: a publication with a key is sent again, over reconnects, until it is known what became of it. One
 * without a key is never sent twice.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as ErrorCode from "../gateway/protocol/ErrorCode.ts"
import type { Position } from "../gateway/protocol/Fields.ts"
import type { Asking } from "./Asking.ts"
import * as ClientError from "./ClientError.ts"
import type { Line } from "./Line.ts"
import * as Payload from "./Payload.ts"

/** How long a publication may take, with all its repetitions. */
export const defaultTimeout = Duration.seconds(30)

/** The longest that it may: keys are remembered for 5 minutes, and one that is forgotten would be published twice. */
export const maxTimeout = Duration.minutes(4)

/** How long to wait before a publication is sent again that was refused for now, where the gateway does not say. */
export const retryMs = 500

/** What goes with a publication. */
export interface Options {
  /** At most 64 bytes. The gateway takes a publication once for each key, channel and user; only then it is repeated. */
  readonly key?: string | undefined
  /** At most 16, of 1 KiB together. */
  readonly tags?: { readonly [name: string]: string } | undefined
  /** Whether this client hears it, if it subscribes. Default: true. */
  readonly echo?: boolean | undefined
  /** Then the outcome is unknown. Default: `defaultTimeout`; never more than `maxTimeout`. */
  readonly timeout?: Duration.Input | undefined
}

/** A publication that was accepted. */
export interface Published {
  readonly offset: number
  readonly epoch: string
  /** Whether an earlier publication with this key had been accepted: the offset is its. */
  readonly duplicate: boolean
}

/** What publishing takes. */
export interface Owner {
  readonly asking: Asking
  readonly line: Line
  /** Told of publications that the client will not hear of. */
  readonly toldUnheard: (channel: string, position: Position) => void
}

/** How long a publication with these options may take. */
export const timeoutOf = ({ timeout = defaultTimeout }: Options): Duration.Duration =>
  Duration.min(Duration.fromInputUnsafe(timeout), maxTimeout)

/** Publishes one value. */
export const publish = (
  { asking, line, toldUnheard }: Owner,
  channel: string,
  value: unknown,
  options: Options = {},
): Effect.Effect<Published, ClientError.ClientError> => {
  const data = Payload.make(value)
  if (Result.isFailure(data)) return Effect.fail(ClientError.of(data.failure))
  const { echo, key, tags } = options
  const timeout = timeoutOf(options)
  const message = {
    type: "publish" as const,
    channel,
    ...(key !== undefined && { key }),
    ...(tags !== undefined && { tags }),
    ...(echo !== undefined && { echo }),
    data: data.success,
  }
  const once = (link: Line["current"]) =>
    Effect.map(
      Effect.flatMap(link, (link) => asking.ask(link, "published", (id) => ({ ...message, id }), { timeout })),
      ({ duplicate = false, epoch, offset }): Published => {
        if (echo === false) toldUnheard(channel, { offset, epoch })
        return { offset, epoch, duplicate }
      },
    )
  if (key === undefined) {
    return Effect.mapError(once(line.current), (error) =>
      isUnsure(error) ? ClientError.outcomeUnknown("engine") : error,
    )
  }

  /** `isOut`: it may have been accepted already, so that nothing but an answer is an outcome. */
  const untilKnown = (link: Line["current"], isOut: boolean): Effect.Effect<Published, ClientError.ClientError> =>
    Effect.catch(once(link), (error) => {
      const { reason } = error
      if (reason._tag === "OutcomeUnknown") return untilKnown(line.next, true)
      if (reason._tag === "Offline" && isOut) return untilKnown(line.next, true)
      if (reason._tag === "Ended" && isOut) return Effect.fail(ClientError.outcomeUnknown("lost"))
      if (reason._tag !== "Refused" || !reason.retry) return Effect.fail(error)
      return Effect.delay(untilKnown(line.next, isOut || isUnsure(error)), reason.waitMs ?? retryMs)
    })
  return Effect.timeoutOrElse(untilKnown(line.current, false), {
    duration: timeout,
    orElse: () => Effect.fail(ClientError.outcomeUnknown("deadline")),
  })
}

/** Of a publication this is no refusal (section 8): it may have been accepted. */
const isUnsure = ({ reason }: ClientError.ClientError) =>
  reason._tag === "Refused" && reason.code === ErrorCode.table.engineUnavailable.code
