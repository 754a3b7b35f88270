/**
 * The pool for programs without Effect. Adds nothing to it: what `ClientPool` fails with, a promise is rejected with.
 *
 * ```ts
 * const pool = await connectPool({ dial: TcpTransport.dial({ host: "127.0.0.1", port: 7557 }), max: 8 })
 * await pool.publish("news", { title: "hello" }, { key: "a key" })
 * ```
 */
import * as Effect from "effect/Effect"
import type { Stats } from "effect/Pool"
import * as ClientPool from "./ClientPool.ts"
import * as Promised from "./Promised.ts"

/** As `ClientPool.Options`; the token may come from a function of the application's. */
export type PoolOptions = Omit<ClientPool.Options, "token"> & { readonly token?: Promised.Token | undefined }

/** A pool at work, until it is closed. */
export interface PromisePool extends Promised.Calls {
  /** As `ClientPool.stats`. */
  readonly stats: () => Promise<Stats>
  /** Ends the connections in peace, once the calls under way are over. */
  readonly close: () => Promise<void>
}

/** A pool with its first connection; rejected if the gateway will not have it, or when the signal is aborted before. */
export const connectPool = async (options: PoolOptions & Promised.Abortable): Promise<PromisePool> => {
  const { signal, token, ...rest } = options
  const { close, made } = await Promised.open(ClientPool.make({ ...rest, ...Promised.tokenOf(token) }), signal)
  return { ...Promised.callsOf(made), stats: () => Effect.runPromise(made.stats), close }
}
