/**
 * Listens on tcp and on unix sockets, and dials both.
 * Binds loopback unless told otherwise; takes over a unix socket file only when nobody answers on it.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Path from "node:path"
import * as Limit from "../limit/Limit.ts"
import * as NodeListener from "./NodeListener.ts"
import * as NodeWire from "./NodeWire.ts"
import {
  type Address,
  boundsOf,
  type BoundsOptions,
  defaultAcceptBacklog,
  DialFailed,
  formatAddress,
  ListenFailed,
  maxUnixPathBytes,
  Transport,
  TransportError,
  type Wire,
} from "./Transport.ts"

/** What a listener needs beside its address. */
export interface ListenOptions extends BoundsOptions {
  /** Connections that the system completes ahead of this process: 4096 by default, which is Linux's own cap. */
  readonly backlog?: number | undefined
  /** Arrivals that may wait for `accept`. */
  readonly acceptBacklog?: number | undefined
}

/** Where to listen on tcp: `127.0.0.1` by default, and port 0 lets the system choose. */
export interface Options extends ListenOptions {
  readonly host?: string | undefined
  readonly port: number
}

/** Where to listen on a unix socket. */
export interface UnixOptions extends ListenOptions {
  readonly path: string
  /** Permissions of the socket file, for example `0o660`; the process's umask decides by default. */
  readonly mode?: number | undefined
}

/** Whom to dial, from an address of this machine if one is named, and how long the system may take (10 seconds by default). */
export type DialOptions = BoundsOptions & {
  readonly timeout?: Duration.Input | undefined
} & (
    | { readonly host: string; readonly port: number; readonly localAddress?: string | undefined }
    | { readonly path: string }
  )

/** Connections waiting in the system. A storm of reconnecting clients loses SYNs, one second each, beyond it. */
export const defaultBacklog = 4096

/** How long connecting may take, and a handshake behind it again. */
export const defaultDialTimeout = "10 seconds"

/** A tcp listener that lives as long as its scope. */
export const make = (options: Options): Effect.Effect<Transport["Service"], TransportError, Scope.Scope> =>
  listen("tcp", { _tag: "Tcp", host: options.host ?? "127.0.0.1", port: options.port }, options)

/** A unix socket listener that lives as long as its scope. The socket file is removed when it closes. */
export const makeUnix = (options: UnixOptions): Effect.Effect<Transport["Service"], TransportError, Scope.Scope> =>
  Effect.gen(function* () {
    if (!fits(options.path)) return yield* Effect.fail(listenFailed(options.path, "ENAMETOOLONG"))
    yield* removeStale(options.path)
    const transport = yield* listen("unix", { _tag: "Unix", path: options.path }, options)
    const { mode } = options
    if (mode !== undefined) yield* attempt(options.path, () => Fs.chmodSync(options.path, mode))
    return transport
  })

/** A tcp listener as a layer. */
export const layer = (options: Options): Layer.Layer<Transport, TransportError> =>
  Layer.effect(Transport, make(options))

/** A unix socket listener as a layer. */
export const layerUnix = (options: UnixOptions): Layer.Layer<Transport, TransportError> =>
  Layer.effect(Transport, makeUnix(options))

/** Connects to a listener. Fails with `DialFailed`; the wire is reset when the scope closes, unless it ended before. */
export const dial = (options: DialOptions): Effect.Effect<Wire, TransportError, Scope.Scope> =>
  Effect.suspend(() => {
    const bounds = boundsOf(options)
    return Effect.map(dialSocket(options), ({ socket, address }) => NodeWire.makeUnsafe(socket, address, bounds))
  })

/** Connects a bare socket within the timeout, and destroys it with the scope. TLS begins with one, too. */
export const dialSocket = (
  options: DialOptions,
): Effect.Effect<{ readonly socket: Net.Socket; readonly address: Address }, TransportError, Scope.Scope> =>
  Effect.gen(function* () {
    const { timeout: duration } = Limit.durationsUnsafe({ timeout: options.timeout ?? defaultDialTimeout })
    const address: Address =
      "path" in options ? { _tag: "Unix", path: options.path } : { _tag: "Tcp", host: options.host, port: options.port }
    const failed = (code: string, cause?: unknown): TransportError =>
      new TransportError({ reason: new DialFailed({ address: formatAddress(address), code, cause }) })
    if ("path" in options && !fits(options.path)) return yield* Effect.fail(failed("ENAMETOOLONG"))
    const socket = yield* Effect.acquireRelease(
      Effect.try({
        try: () =>
          "path" in options
            ? Net.connect({ path: options.path, ...NodeListener.socketOptions })
            : Net.connect({
                host: options.host,
                port: options.port,
                ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
                ...NodeListener.socketOptions,
              }),
        // Of a port beyond 65535, or a local address that is none.
        catch: (cause) => failed(NodeWire.codeOf(cause as Error), cause),
      }),
      (socket) => Effect.sync(() => NodeWire.resetUnsafe(socket)),
    )
    yield* Effect.callback<void, TransportError>((resume) => {
      // This error listener stays: without one, a socket that fails before its wire is made brings the process down.
      socket.on("error", (cause) => resume(Effect.fail(failed(NodeWire.codeOf(cause), cause))))
      socket.once("connect", () => resume(Effect.void))
    }).pipe(
      Effect.timeoutOrElse({
        duration,
        orElse: () => Effect.fail(failed("ETIMEDOUT")),
      }),
    )
    return { socket, address }
  })

const listen = (
  name: string,
  address: Address,
  options: ListenOptions,
): Effect.Effect<Transport["Service"], TransportError, Scope.Scope> =>
  Effect.suspend(() => {
    const bounds = boundsOf(options)
    const shared = NodeWire.makeSharedRead()
    return NodeListener.make({
      name,
      address,
      backlog: options.backlog ?? defaultBacklog,
      acceptBacklog: options.acceptBacklog ?? defaultAcceptBacklog,
      wireUnsafe: (socket, peer) => NodeWire.makeUnsafe(socket, peer, bounds, shared),
    })
  })

/** Removes a socket file that a killed process left behind. One that answers stays. Fails for what is no socket. */
const removeStale = (path: string): Effect.Effect<void, TransportError> =>
  Effect.gen(function* () {
    // Node reports a folder that is not there as EACCES.
    yield* attempt(path, () => Fs.statSync(Path.dirname(path)))
    const found = yield* attempt(path, () => Fs.lstatSync(path, { throwIfNoEntry: false }))
    if (found === undefined) return
    if (!found.isSocket()) {
      return yield* new TransportError({
        reason: new ListenFailed({
          address: `unix:${path}`,
          code: "ENOTSOCK",
          cause: undefined,
          found: kindOf(found),
        }),
      })
    }
    const code = yield* Effect.scoped(dialSocket({ path })).pipe(
      Effect.as(undefined),
      Effect.catch((error) => Effect.succeed("code" in error.reason ? error.reason.code : undefined)),
    )
    if (code === "ECONNREFUSED") yield* attempt(path, () => Fs.rmSync(path, { force: true }))
  })

const kindOf = (found: Fs.Stats): string =>
  found.isFile()
    ? "a plain file"
    : found.isDirectory()
      ? "a folder"
      : found.isSymbolicLink()
        ? "a symbolic link"
        : "something that is no socket"

/** Node cuts a longer path off, and binds or connects what is left of it. */
const fits = (path: string): boolean => Buffer.byteLength(path) <= maxUnixPathBytes

const attempt = <A>(path: string, run: () => A): Effect.Effect<A, TransportError> =>
  Effect.try({
    try: run,
    catch: (cause) => listenFailed(path, cause instanceof Error ? NodeWire.codeOf(cause) : "UNKNOWN", cause),
  })

const listenFailed = (path: string, code: string, cause?: unknown): TransportError =>
  new TransportError({ reason: new ListenFailed({ address: `unix:${path}`, code, cause }) })
