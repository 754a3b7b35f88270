/** An HTTP server on loopback for the length of a test. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"

export interface Listening {
  readonly url: string
  /** Closes it before the scope does. */
  readonly close: Effect.Effect<void>
}

/** Listens on a free port until the scope closes, whatever connections are left. */
export const listen = (answer: RequestListener): Effect.Effect<Listening, never, Scope.Scope> =>
  Effect.gen(function* () {
    const server = createServer(answer)
    const close = Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      server.closeAllConnections()
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => {
        server.listen(0, "127.0.0.1", () => resume(Effect.void))
      }),
      () => close,
    )
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`, close }
  })
