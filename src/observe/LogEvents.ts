/**
 * Writes a log line for what happens to a server: one subscriber of its events among others.
 * Reads events only; a server runs the same without it.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LogLevel from "effect/LogLevel"
import * as PubSub from "effect/PubSub"
import * as CloseReason from "../connection/CloseReason.ts"
import { type ServerEvent, ServerEvents } from "../server/ServerEvents.ts"
import { formatAddress } from "../transport/Transport.ts"

/** Logs every event of the `ServerEvents` it is provided with. Lines about single connections are at level Debug, unless the server is at fault. */
export const layer: Layer.Layer<never, never, ServerEvents> = Layer.effectDiscard(
  Effect.gen(function* () {
    const events = yield* Effect.flatMap(ServerEvents, ({ subscribe }) => subscribe)
    yield* writeNext(events).pipe(Effect.forever, Effect.forkScoped({ startImmediately: true }))
    // Registered last, so that it runs first: what was published before the end is still written.
    yield* Effect.addFinalizer(() => Effect.flatMap(PubSub.takeUpTo(events, Infinity), Effect.forEach(log)))
  }),
)

/** All that has happened since, in one go: waking for each of a thousand connects was 3 % of them (bench, connect). */
const writeNext = (events: PubSub.Subscription<ServerEvent>): Effect.Effect<void> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const batch = yield* restore(PubSub.takeAll(events))
      const debugs = yield* LogLevel.isEnabled("Debug")
      // Most of what happens, and most of the time written by nobody.
      const written = debugs ? batch : batch.filter((event) => event._tag !== "ConnectionOpened")
      yield* Effect.forEach(written, log, { discard: true })
    }),
  )

/** The line of one event. */
export const log = (event: ServerEvent): Effect.Effect<void> => {
  switch (event._tag) {
    case "Listening":
      return Effect.logInfo(`${event.server} listening on ${formatAddress(event.address)}`).pipe(
        Effect.annotateLogs({ transport: event.transport }),
      )
    case "AcceptFault":
      return (event.fault === "peer" ? Effect.logDebug : Effect.logWarning)(
        `${event.error.message} (fault of the ${event.fault}), pausing for ${event.pauseMs} ms`,
      )
    case "ConnectionOpened":
      return Effect.logDebug("connection opened").pipe(annotated(event))
    case "ConnectionRefused":
      return Effect.logWarning(`connection ${CloseReason.format(event.reason)}`).pipe(
        Effect.annotateLogs({ peer: formatAddress(event.peer), told: event.told }),
      )
    case "ConnectionClosed":
      return closed(event)
    case "BuffersShed":
      return Effect.logWarning(
        `${event.connections} connections shed that held ${event.shedBytes} bytes: all together held ${event.heldBytes}, allowed are ${event.allowedBytes}`,
      )
    case "DrainStarted":
      return Effect.logInfo(
        `draining ${event.connections} connections: ${event.graceMs} ms of grace, then ${event.timeoutMs} ms`,
      )
    case "DrainEnded":
      return Effect.logInfo(`drained${event.forced ? ", forced" : ""}: ${event.aborted} connections reset`)
  }
}

const closed = (event: Extract<ServerEvent, { _tag: "ConnectionClosed" }>): Effect.Effect<void> => {
  const { reason } = event
  const message = `connection closed: ${CloseReason.format(reason)}`
  const line =
    reason._tag === "HandlerFailed"
      ? Effect.logError(message, reason.cause)
      : reason._tag === "BadOutbound"
        ? Effect.logError(message)
        : reason._tag === "WrongProtocol"
          ? Effect.logWarning(message)
          : Effect.logDebug(message)
  return line.pipe(annotated(event), Effect.annotateLogs({ reason: reason._tag, durationMs: event.durationMs }))
}

const annotated = (event: Extract<ServerEvent, { readonly id: number }>) =>
  Effect.annotateLogs({ connection: event.id, peer: formatAddress(event.peer) })
