/**
 * The closed table of byes: why a connection ends, and what the client should do next (docs/protocol.md, section 8).
 * Translates every `CloseReason`; tells no stranger what went wrong inside the server.
 */
import * as CloseReason from "../../connection/CloseReason.ts"
import type { TransportError } from "../../transport/Transport.ts"

/** What a client should do after a bye: the classes of section 8 give the default, this field decides. */
export type Retry = "now" | "backoff" | "elsewhere" | "reauth" | "never"

/** What a `bye` message says, without its `type`. */
export interface ByeFacts {
  readonly code: number
  /** One sentence for a person. */
  readonly message: string
  readonly retry: Retry
  /** How long to wait at least before the next attempt, in milliseconds. */
  readonly waitMs?: number
}

/** Every bye of the gateway with its default message and advice; 48xx and 49xx are the application's own. */
export const table = {
  normal: { code: 4000, message: "closed by the server", retry: "backoff" },
  draining: { code: 4001, message: "the server is going away", retry: "backoff" },
  serverError: { code: 4002, message: "server error", retry: "backoff" },
  noHeartbeat: { code: 4003, message: "no heartbeat", retry: "backoff" },
  slowConsumer: { code: 4004, message: "the client reads too slowly", retry: "backoff" },
  sessionTakenOver: { code: 4005, message: "another connection has taken over this session", retry: "never" },
  writeStalled: { code: 4006, message: "a write made no progress", retry: "backoff" },
  engineLost: { code: 4008, message: "the engine was lost", retry: "backoff" },
  maximumLifetime: { code: 4009, message: "the connection has reached its maximum lifetime", retry: "backoff" },
  rebalance: { code: 4100, message: "connections are being rebalanced", retry: "elsewhere" },
  nodeFull: { code: 4101, message: "this node is full", retry: "elsewhere" },
  expired: { code: 4200, message: "the token has expired", retry: "reauth" },
  revoked: { code: 4201, message: "the token was revoked", retry: "reauth" },
  tooManyCommands: { code: 4300, message: "too many commands", retry: "backoff", waitMs: 1000 },
  addressLimit: { code: 4301, message: "too many connections from this address", retry: "backoff", waitMs: 5000 },
  overloaded: { code: 4302, message: "overloaded", retry: "backoff", waitMs: 1000 },
  badToken: { code: 4500, message: "bad token", retry: "never" },
  malformed: { code: 4501, message: "malformed or out of order", retry: "never" },
  connectLate: { code: 4502, message: "no connect in time", retry: "backoff" },
  kicked: { code: 4503, message: "kicked", retry: "never" },
  userLimit: { code: 4504, message: "too many connections of this user", retry: "never" },
  frameTooLarge: { code: 4505, message: "frame too large", retry: "never" },
  versionNotSupported: { code: 4506, message: "this version of the protocol is not supported", retry: "never" },
  wrongProtocol: { code: 4509, message: "this is another protocol", retry: "never" },
  frameTooSlow: { code: 4510, message: "a frame was not complete in time", retry: "backoff" },
} as const satisfies Record<string, ByeFacts>

/** The name of a bye of the gateway. */
export type ByeName = keyof typeof table

/** The facts of a bye, to be sent as `{ type: "bye", ...facts }`. */
export const make = (name: ByeName, details?: Partial<Omit<ByeFacts, "code">>): ByeFacts => ({
  ...table[name],
  ...details,
})

/** The advice that goes with a code: its own if the table has it, else that of its class, else `backoff`. */
export const retryOf = (code: number): Retry => {
  const known = find(code)
  if (known !== undefined) return known.retry
  switch (Math.trunc(code / 100)) {
    case 41:
      return "elsewhere"
    case 42:
      return "reauth"
    case 45:
    case 49:
      return "never"
    default:
      return "backoff"
  }
}

/** What to tell a client whose connection ends so; undefined if nobody is there to be told. */
export const of = (reason: CloseReason.CloseReason): ByeFacts | undefined =>
  CloseReason.canBeTold(reason) ? translate(reason) : undefined

// The message names what was seen and the limit, as the log does.
const told =
  (name: ByeName) =>
  (reason: CloseReason.CloseReason): ByeFacts =>
    make(name, { message: CloseReason.format(reason) })

// The server's own faults and its size are nobody's business, and what is this side here is the server there.
const untold = (name: ByeName) => (): ByeFacts => make(name)

const translate = CloseReason.match({
  Done: untold("normal"),
  PeerClosed: told("normal"),
  WireLost: (reason) => told(isTooLarge(reason.error) ? "frameTooLarge" : "malformed")(reason),
  Truncated: untold("normal"),
  BadFrame: (reason) => told(reason.error.reason._tag === "FrameTooLarge" ? "frameTooLarge" : "malformed")(reason),
  BadMessage: told("malformed"),
  WrongProtocol: (reason) => make("wrongProtocol", { message: reason.stranger.message }),
  FirstFrameLate: told("connectLate"),
  FirstMessageLate: told("connectLate"),
  FrameTooSlow: told("frameTooSlow"),
  HeartbeatTimeout: told("noHeartbeat"),
  SlowConsumer: told("slowConsumer"),
  WriteStalled: told("writeStalled"),
  RateLimited: told("tooManyCommands"),
  Overloaded: untold("overloaded"),
  Refused: (reason) => refusals[reason.limit](reason),
  Draining: told("draining"),
  BadOutbound: untold("serverError"),
  HandlerFailed: untold("serverError"),
  Application: ({ code, message }): ByeFacts => ({ ...find(code), code, message, retry: retryOf(code) }),
})

const find = (code: number): ByeFacts | undefined => Object.values(table).find((bye) => bye.code === code)

/** Of the ways to lose a wire, the ones that can be told are the peer's own: it broke a rule. */
const isTooLarge = ({ reason }: TransportError): boolean => reason._tag === "WireViolated" && reason.rule === "tooLarge"

const refusals = {
  connections: told("nodeFull"),
  connectionsPerAddress: told("addressLimit"),
  acceptsPerSecond: told("overloaded"),
  memory: untold("overloaded"),
  heap: untold("overloaded"),
}
