/**
 * What a gateway runs on when nothing is configured: an engine in memory, everything open to anyone, no authentication.
 * For the first run, for development and for tests; it is no protection of anything.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Access from "./Access.ts"
import { type Authenticator, layerNone } from "./auth/Identity.ts"
import type { Engine } from "./engine/Engine.ts"
import * as MemoryEngine from "./engine/MemoryEngine.ts"
import { layerOpen, Policies } from "./Policy.ts"

/** An engine in memory that keeps what the policies say. */
export const layerMemory: Layer.Layer<Engine, never, Policies> = Layer.unwrap(
  Effect.map(Policies, (policies) => MemoryEngine.layer({ retention: Access.retentionOf(policies) })),
)

/** Everything that `Gateway.layer` needs beside a transport. */
export const layer: Layer.Layer<Engine | Policies | Authenticator> = Layer.mergeAll(layerMemory, layerNone).pipe(
  Layer.provideMerge(layerOpen),
)
