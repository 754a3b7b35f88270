/**
 * What Node's handles do for shared reads, seen and taken away: the one method of theirs that Longline calls.
 * Knows Node's insides as little as `SharedRead` does: the method is looked for where a socket has it.
 */
import * as Effect from "effect/Effect"
import * as Net from "node:net"

interface Handles {
  useUserBuffer?: ((this: unknown, buffer: Uint8Array) => unknown) | undefined
}

/** The object that the handles of tcp and of unix sockets have the method from. */
const handles: Effect.Effect<Handles> = Effect.callback((resume) => {
  const server = Net.createServer().listen(0, "127.0.0.1", () => {
    let found: Handles | undefined = (server as unknown as { readonly _handle: Handles })._handle
    while (found !== undefined && !Object.hasOwn(found, "useUserBuffer")) {
      found = (Object.getPrototypeOf(found) as Handles | null) ?? undefined
    }
    server.close()
    resume(found === undefined ? Effect.die(new Error("no handle has useUserBuffer")) : Effect.succeed(found))
  })
})

const replaced = (method: (original: Handles["useUserBuffer"]) => Handles["useUserBuffer"]) =>
  Effect.acquireRelease(
    Effect.map(handles, (found) => {
      const original = found.useUserBuffer
      found.useUserBuffer = method(original)
      return { found, original }
    }),
    ({ found, original }) =>
      Effect.sync(() => {
        found.useUserBuffer = original
      }),
  )

/** Node without the method, until the scope closes: sockets made meanwhile have their bytes by `data` events. */
export const withoutSharedReads = Effect.asVoid(replaced(() => undefined))

/** The buffers that sockets were told to read into since, until the scope closes. */
export const watchSharedReads = Effect.gen(function* () {
  const buffers: Array<Uint8Array> = []
  yield* replaced(
    (original) =>
      function (buffer) {
        buffers.push(buffer)
        return original?.call(this, buffer)
      },
  )
  return buffers
})
