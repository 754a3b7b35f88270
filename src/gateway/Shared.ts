/** What all sessions of a gateway share. Types only: `Gateway` makes it. */
import type { Authenticator } from "./auth/Identity.ts"
import type * as Effect from "effect/Effect"
import type { Revocations } from "./auth/Revocations.ts"
import type { Channels } from "./Channels.ts"
import type { Encoded } from "./Encoded.ts"
import type { Engine } from "./engine/Engine.ts"
import type { Expiry } from "./Expiry.ts"
import type { Journal } from "./Journal.ts"
import type { Policy } from "./Policy.ts"
import type { Presence } from "./Presence.ts"
import type * as Server from "./protocol/ServerMessage.ts"
import type { Services } from "./Services.ts"
import type { Session } from "./Session.ts"
import type { Sessions } from "./Sessions.ts"

/** What all sessions of a gateway share. */
export interface Shared {
  readonly engine: Engine["Service"]
  readonly channels: Channels<Encoded>
  readonly presence: Presence<Encoded>
  readonly services: Services<Session>
  readonly sessions: Sessions<Session>
  readonly revocations: Revocations["Service"]
  /** Absent if none is kept. */
  readonly journal: Journal | undefined
  readonly expiry: Expiry
  readonly authenticator: Authenticator["Service"]
  /** Runs an effect until it or the gateway ends. */
  readonly fork: (effect: Effect.Effect<void>) => void
  readonly policyOf: (name: string) => Policy
  readonly maxSubscriptions: number
  readonly engineTimeoutMs: number
  readonly sessionTtlMs: number
  readonly heartbeat: Server.Connected["heartbeat"]
  readonly limits: Server.Connected["limits"]
  readonly server: Server.Connected["server"]
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Milliseconds of a clock that never goes back. */
  readonly monotonic: () => number
}
