/**
 * Runs a command with a client that is connected, and turns whatever becomes of it into an exit code (docs/cli.md).
 * Waits for no gateway that is not there: the first attempt counts. Prints nothing on standard output.
 */
import * as Effect from "effect/Effect"
import type * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Client from "../client/Client.ts"
import { ClientError } from "../client/ClientError.ts"
import type * as ClientEvent from "../client/ClientEvent.ts"
import { type CommandFailed, complain, failed } from "./Complaint.ts"
import * as Setting from "../gateway/config/Setting.ts"
import * as Gateways from "./Gateways.ts"
import { version } from "./Version.ts"

/** The exit codes beside those of any command: 0, 1 for no, 2 for a mistake of the person. */
export const exitCodes = { notConnected: 3, refused: 4, timedOut: 124 } as const

/** What a command wants of its client beside what all want. */
export type Wishes = Pick<Client.Options, "offlineQueue">

/** Runs the command. A connection that is lost, and found again, is told on standard error. */
export const run = <E, R>(
  given: Gateways.Given,
  use: (client: Client.Client["Service"]) => Effect.Effect<void, E | ClientError, R>,
  wishes: Wishes = {},
) =>
  Effect.gen(function* () {
    const { address, dial, token } = yield* Gateways.resolve(given)
    const client = yield* Client.make({
      dial,
      connectTimeout: given.connectTimeout,
      client: { name: "longline", version },
      firstAttempts: 1,
      ...wishes,
      ...(token !== undefined && { token }),
    }).pipe(Effect.catch((error) => fail(error, `no connection to ${address}: `)))
    yield* Effect.forkScoped(Stream.runForEach(Stream.drop(client.events, 1), notice))
    yield* Effect.catchIf(
      use(client),
      (error): error is ClientError => error instanceof ClientError,
      (error) => fail(error),
    )
  }).pipe(Effect.scoped)

/** What a person who waits wants to know. */
const notice = (event: ClientEvent.ClientEvent): Effect.Effect<void> => {
  switch (event._tag) {
    case "Disconnected":
      return complain(`connection lost (${event.message}); trying again`)
    case "Connected":
      return complain("connected again")
    case "RefreshFailed":
    case "ServeRefused":
      return complain(String(event.error))
    default:
      return Effect.void
  }
}

/** Prints what the client has failed with, and ends the command with the exit code of that. */
export const fail = (error: ClientError, context = "") => failed(`${context}${describe(error)}`, exitCodeOf(error))

const describe = ({ message, reason }: ClientError): string => {
  if (reason._tag === "Offline") return "there is no connection"
  return (reason._tag === "Refused" || reason._tag === "Ended") && reason.code !== undefined
    ? `${message} (${reason._tag === "Refused" ? "error" : "bye"} ${reason.code})`
    : message
}

/** Codes of errors and byes that say that this client may not. */
export const isRefusal = (code: number): boolean =>
  code === 103 || code === 109 || (code >= 4200 && code < 4300) || (code >= 4500 && code < 4600)

const exitCodeOf = ({ reason }: ClientError): number => {
  switch (reason._tag) {
    case "Refused":
      return isRefusal(reason.code) ? exitCodes.refused : 1
    case "Ended":
      return reason.code !== undefined && isRefusal(reason.code) ? exitCodes.refused : exitCodes.notConnected
    case "Offline":
      return exitCodes.notConnected
    case "OutcomeUnknown":
      return reason.cause === "lost" || reason.cause === "engine" ? 1 : exitCodes.timedOut
    default:
      return 1
  }
}

/** A flag for how long something may take. */
export const timeout = (purpose: string): Setting.Setting<Duration.Duration> =>
  Setting.duration({ key: "timeout", purpose, minMs: 1, maxMs: 86_400_000, fallbackMs: 10_000 })

/** Gives up after the time, with an exit code of its own. Without one it waits for ever. */
export const within =
  (limit: Option.Option<Duration.Duration>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | CommandFailed, R> =>
    Option.isNone(limit)
      ? effect
      : Effect.timeoutOrElse(effect, {
          duration: limit.value,
          orElse: () => failed("the time is up", exitCodes.timedOut),
        })
