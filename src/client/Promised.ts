/**
 * What a client and a pool have in common for programs without Effect: a scope that is closed by a call, and the calls that
 * give promises. Adds nothing to what they do.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type * as Client from "./Client.ts"
import type { History } from "./Message.ts"
import type * as Publishing from "./Publishing.ts"

/** What goes with a message whose answer is waited for. */
export interface Abortable {
  /** Gives up: the promise is rejected with the signal's reason, and a responder is told. */
  readonly signal?: AbortSignal | undefined
}

/** A token, or a function of the application's that gives one. */
export type Token = string | (() => string | Promise<string>)

/** What can be asked by promises, whichever connection it is asked on. */
export interface Calls {
  /** As `Client.publish`. */
  readonly publish: (
    channel: string,
    data: unknown,
    options?: Publishing.Options & Abortable,
  ) => Promise<Publishing.Published>
  /** As `Client.request`. */
  readonly request: (service: string, data: unknown, options?: Client.AnswerOptions & Abortable) => Promise<unknown>
  /** As `Client.history`. */
  readonly history: (
    channel: string,
    options?: Client.HistoryOptions & Client.AnswerOptions & Abortable,
  ) => Promise<Pick<History, "publications" | "position" | "more">>
}

/** Something that was made in a scope of its own. */
export interface Opened<A> {
  readonly made: A
  readonly scope: Scope.Closeable
  readonly close: () => Promise<void>
}

/** Makes it; rejected if that fails, or when the signal is aborted before. */
export const open = <A, E>(make: Effect.Effect<A, E, Scope.Scope>, signal?: AbortSignal): Promise<Opened<A>> =>
  openIn(Scope.makeUnsafe(), make, signal)

/** The same in a scope that is there already, and is closed if it fails. */
export const openIn = async <A, E>(
  scope: Scope.Closeable,
  make: Effect.Effect<A, E, Scope.Scope>,
  signal?: AbortSignal,
): Promise<Opened<A>> => {
  const close = () => Effect.runPromise(Scope.close(scope, Exit.void))
  try {
    return { made: await run(Scope.provide(make, scope), signal), scope, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Runs it until it is done, or the signal is aborted: rejected with its reason then. */
export const run = async <A, E>(effect: Effect.Effect<A, E>, signal?: AbortSignal): Promise<A> => {
  // Effect begins before it looks at the signal: a message would be sent that had been given up.
  signal?.throwIfAborted()
  const exit = await Effect.runPromiseExit(effect, signal === undefined ? {} : { signal })
  if (Exit.isSuccess(exit)) return exit.value
  if (Cause.hasInterruptsOnly(exit.cause)) signal?.throwIfAborted()
  throw Cause.squash(exit.cause)
}

/** Iterates until the signal is aborted, and throws its reason then. Left at once: what is behind it is free again. */
export const iterate = <A>(items: AsyncIterable<A>, signal: AbortSignal | undefined): AsyncIterable<A> =>
  signal === undefined ? items : { [Symbol.asyncIterator]: () => iterateUntil(items, signal) }

async function* iterateUntil<A>(items: AsyncIterable<A>, signal: AbortSignal): AsyncGenerator<A, void> {
  signal.throwIfAborted()
  const iterator = items[Symbol.asyncIterator]()
  const leave = (): void => void iterator.return?.()
  signal.addEventListener("abort", leave)
  try {
    for (;;) {
      const { done, value } = await iterator.next()
      signal.throwIfAborted()
      if (done === true) return
      yield value
    }
  } finally {
    signal.removeEventListener("abort", leave)
    await iterator.return?.()
  }
}

/** The calls of a client, or of a pool. */
export const callsOf = (client: Pick<Client.Client["Service"], "publish" | "request" | "history">): Calls => ({
  publish: (channel, data, { signal, ...options } = {}) => run(client.publish(channel, data, options), signal),
  request: (service, data, { signal, ...options } = {}) => run(client.request(service, data, options), signal),
  history: (channel, { signal, ...options } = {}) => run(client.history(channel, options), signal),
})

/** The token as a client takes it. */
export const tokenOf = (token: Token | undefined): Pick<Client.Options, "token"> => {
  if (token === undefined) return {}
  return {
    token: typeof token === "string" ? token : Effect.tryPromise({ try: async () => token(), catch: (error) => error }),
  }
}
