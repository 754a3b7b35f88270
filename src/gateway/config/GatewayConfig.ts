/**
 * The gateway's configuration, typed and checked, from flags, environment, file and defaults.
 * Refuses settings that contradict each other, and a listener beyond loopback that nobody asked for in words.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as LogLevel from "effect/LogLevel"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import type { Address } from "../../transport/Transport.ts"
import type { AuthConfig } from "../auth/AuthConfig.ts"
import * as AuthSettings from "./AuthSettings.ts"
import { collect, InvalidConfig, type Mistakes } from "./ConfigError.ts"
import * as ConfigFile from "./ConfigFile.ts"
import { isLoopback } from "./Host.ts"
import * as KnownKeys from "./KnownKeys.ts"
import { limits } from "./LimitSettings.ts"
import * as Policies from "./Policies.ts"
import * as Reading from "./Reading.ts"
import * as ServerSettings from "./ServerSettings.ts"
import { configFile, settings } from "./Settings.ts"
import * as TlsFiles from "./TlsFiles.ts"
import { webSocket, webSocketOf, type WebSocketOptions } from "./WebSocketSettings.ts"

/** Where to listen. A TCP port of 0 is any free one. */
export type Listen = Exclude<Address, { readonly _tag: "Memory" }>

/** Where publications are kept over restarts, and when one counts as accepted. */
export interface DataOptions {
  readonly directory: string
  readonly sync: ServerSettings.Sync
}

/** What the gateway and its connections may grow to, apart from the seats. */
export interface Limits {
  /** Of one connection. */
  readonly commandsPerSecond: number
  readonly maxSubscriptions: number
  readonly maxServices: number
  /** Requests of one connection that wait for an answer, and at hand of a responder. */
  readonly maxRequests: number
  readonly outboxBytes: number
  readonly outboxAge: Duration.Duration
  /** Of the whole gateway. */
  readonly maxSessions: number
  readonly maxChannels: number
  readonly maxKeys: number
  readonly historyBytes: number
  readonly bufferBytes: number
  readonly memoryPercent: number
}

/** Everything the gateway is told from outside. Nothing in it is left to check. */
export interface GatewayConfig {
  readonly listen: Listen
  /** Undefined for none. */
  readonly webSocket: WebSocketOptions | undefined
  /** Undefined for plain connections. It holds for WebSockets too. */
  readonly tls: TlsFiles.TlsMaterial | undefined
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  readonly limits: Limits
  /** Silence after which a peer is probed. */
  readonly heartbeatInterval: Duration.Duration
  /** Silence after a probe that ends the connection. */
  readonly heartbeatTimeout: Duration.Duration
  /** The first message has to be there by then. */
  readonly connectTimeout: Duration.Duration
  /** How long a session outlives its connection. */
  readonly sessionTtl: Duration.Duration
  /** Between the notice of a shutdown and its first goodbye. */
  readonly drainGrace: Duration.Duration
  /** From the first goodbye of a shutdown to its end. */
  readonly drainTimeout: Duration.Duration
  /** Undefined for memory. */
  readonly data: DataOptions | undefined
  /** Undefined for none: everybody may do what policies allow to anyone. */
  readonly auth: AuthConfig | undefined
  /** Made a service by `Policies.serviceOf`. */
  readonly policies: Policies.PolicyTable
  /** Whether the opening and closing of connections is published. */
  readonly journal: boolean
  readonly logLevel: LogLevel.LogLevel
  readonly logFormat: ServerSettings.LogFormat
}

/** A configuration together with where each of its values came from. */
export interface Explained {
  readonly config: GatewayConfig
  readonly readings: Reading.Readings<typeof settings>
  readonly policies: Policies.Loaded["readings"]
}

/**
 * Loads the configuration, or tells everything that is wrong with it; with a time, a certificate that is not valid then as
 * well: a gateway starts with one, whose owner is late and would rather not be later.
 */
export const load = (
  flags: Reading.Sources["flags"],
  validAt?: number,
): Effect.Effect<GatewayConfig, InvalidConfig, FileSystem.FileSystem | Stdio.Stdio> =>
  Effect.map(explain(flags, validAt), ({ config }) => config)

/**
 * Loads the configuration and remembers its sources. `flags` holds those that were given, without their dashes; the
 * environment is the current `ConfigProvider`. Flags win over it, it wins over the file, the file over the defaults.
 */
export const explain = (
  flags: Reading.Sources["flags"],
  validAt?: number,
): Effect.Effect<Explained, InvalidConfig, FileSystem.FileSystem | Stdio.Stdio> =>
  Effect.mapError(explainOrMistakes(flags, validAt), (mistakes) => new InvalidConfig({ mistakes }))

/** Loads the settings of authentication alone, for whoever serves nothing: what is wrong elsewhere is not told. */
export const loadAuth = (
  flags: Reading.Sources["flags"],
): Effect.Effect<AuthConfig | undefined, InvalidConfig, FileSystem.FileSystem> =>
  Effect.mapError(
    Effect.flatMap(open(flags), ({ sources }) => authOf(sources)),
    (mistakes) => new InvalidConfig({ mistakes }),
  )

/** Everything that settings may be read from. */
const open = Effect.fnUntraced(function* (flags: Reading.Sources["flags"]) {
  const named = yield* Reading.readAll({ config: configFile }, { flags, lookup: Reading.nothing })
  const file = yield* ConfigFile.load(named.config)
  const sources: Reading.Sources = { flags, lookup: ConfigFile.lookup(file) }
  return { file, sources }
})

const authOf = (sources: Reading.Sources) =>
  Effect.flatMap(Reading.readAll(AuthSettings.auth, sources), AuthSettings.load)

const explainOrMistakes = (
  flags: Reading.Sources["flags"],
  validAt: number | undefined,
): Effect.Effect<Explained, Mistakes, FileSystem.FileSystem | Stdio.Stdio> =>
  Effect.gen(function* () {
    const { file, sources } = yield* open(flags)
    const authentication = yield* Effect.result(authOf(sources))
    // Whether wrong settings were to turn it on is not known: then nothing is held against the others.
    const authenticates = Result.isFailure(authentication) || authentication.success !== undefined
    const parts = yield* Effect.all(
      {
        keys: Effect.fromResult(KnownKeys.check(file)),
        listening: readListening(sources, { authenticates, validAt }),
        limits: Reading.readAll(limits, sources),
        times: Reading.readAll(ServerSettings.times, sources),
        data: Effect.flatMap(Reading.readAll(ServerSettings.data, sources), dataOf),
        log: Reading.readAll(ServerSettings.log, sources),
        auth: Effect.fromResult(authentication),
        policies: Policies.load(file, { authenticates }),
      },
      { mode: "result" },
    )
    const { listening, policies, ...checked } = yield* Effect.fromResult(collect(parts))
    const readings = yield* Reading.readAll(settings, sources)
    const onTerminal = yield* Stdio.Stdio.use((stdio) => stdio.stdoutIsTerminal)
    const config: GatewayConfig = {
      ...listening,
      maxConnections: readings.maxConnections.value,
      maxConnectionsPerAddress: readings.maxConnectionsPerAddress.value,
      limits: {
        commandsPerSecond: readings.commandsPerSecond.value,
        maxSubscriptions: readings.maxSubscriptions.value,
        maxServices: readings.maxServices.value,
        maxRequests: readings.maxRequests.value,
        outboxBytes: readings.outboxBytes.value,
        outboxAge: readings.outboxAge.value,
        maxSessions: readings.maxSessions.value,
        maxChannels: readings.maxChannels.value,
        maxKeys: readings.maxKeys.value,
        historyBytes: readings.historyBytes.value,
        bufferBytes: readings.bufferBytes.value,
        memoryPercent: readings.memoryPercent.value,
      },
      heartbeatInterval: readings.heartbeatInterval.value,
      heartbeatTimeout: readings.heartbeatTimeout.value,
      connectTimeout: readings.connectTimeout.value,
      sessionTtl: readings.sessionTtl.value,
      drainGrace: readings.drainGrace.value,
      drainTimeout: readings.drainTimeout.value,
      data: checked.data,
      auth: checked.auth,
      policies: policies.table,
      journal: readings.journal.value,
      logLevel: readings.logLevel.value,
      logFormat: readings.logFormat.value ?? (onTerminal ? "pretty" : "json"),
    }
    return { config, readings, policies: policies.readings }
  })

type ListenReadings = Reading.Readings<typeof ServerSettings.listen & typeof webSocket>

/** Where to listen, and the certificate for it: what is wrong with either is told. */
const readListening = Effect.fnUntraced(function* (
  sources: Reading.Sources,
  { authenticates, validAt }: { readonly authenticates: boolean; readonly validAt: number | undefined },
) {
  const places = yield* Effect.result(Reading.readAll({ ...ServerSettings.listen, ...webSocket }, sources))
  const encryption = yield* Effect.result(Reading.readAll(ServerSettings.tls, sources))
  const tls = yield* Effect.result(
    Effect.flatMap(Effect.fromResult(encryption), (files) => TlsFiles.load(files, validAt)),
  )
  const isEncrypted = Result.map(encryption, (readings) => Object.values(readings).find(Reading.isWritten))
  const where = Result.flatMap(places, (readings) =>
    collect({
      listen: listenOf(readings, authenticates, Result.getOrUndefined(isEncrypted)),
      webSocket: webSocketWithin(readings, authenticates),
    }),
  )
  const { where: found, tls: material } = yield* Effect.fromResult(collect({ where, tls }))
  return { ...found, tls: material }
})

/**
 * Where the readings say to listen: a unix socket or a TCP port, never both, and TLS on the latter only.
 * Beyond loopback only where the gateway can tell its peers apart, or with `--insecure`. TLS alone is not enough.
 */
const listenOf = (
  { host, port, unix, insecure }: ListenReadings,
  authenticates: boolean,
  encryption: Reading.Reading<unknown> | undefined,
): Result.Result<Listen, Mistakes> => {
  if (unix.value !== undefined) {
    const leftOut = (rival: { readonly where: string }, because: string) =>
      refuse(unix, `left out when ${rival.where} is given: ${because}`)
    const rival = [host, port].find(Reading.isWritten)
    if (rival !== undefined) return leftOut(rival, "the gateway listens in one place")
    if (encryption !== undefined) return leftOut(encryption, "a unix socket has no TLS")
    return Result.succeed({ _tag: "Unix", path: unix.value })
  }
  return isExposed(host.value, insecure, authenticates)
    ? refuse(host, onLoopback)
    : Result.succeed({ _tag: "Tcp", host: host.value, port: port.value })
}

/** Where to listen for WebSockets, by the same rule. */
const webSocketWithin = (
  readings: ListenReadings,
  authenticates: boolean,
): Result.Result<WebSocketOptions | undefined, Mistakes> =>
  Result.flatMap(webSocketOf(readings), (options) =>
    options !== undefined && isExposed(options.host, readings.insecure, authenticates)
      ? refuse(readings.webSocketHost, onLoopback)
      : Result.succeed(options),
  )

const isExposed = (host: string, insecure: Reading.Reading<boolean>, authenticates: boolean): boolean =>
  !isLoopback(host) && !authenticates && !insecure.value

const onLoopback =
  "a loopback address (127.0.0.0/8, ::1 or localhost), because no authentication is configured; " +
  "--insecure lets anyone who can reach it connect"

/** Without a directory there is nothing to be synced. */
const dataOf = ({
  dataDirectory: { value: directory },
  dataSync: sync,
}: Reading.Readings<typeof ServerSettings.data>): Effect.Effect<DataOptions | undefined, Mistakes> => {
  if (directory !== undefined) return Effect.succeed({ directory, sync: sync.value })
  if (!Reading.isWritten(sync)) return Effect.succeed(undefined)
  return Effect.fromResult(refuse(sync, "left out unless there is a data directory, from --data"))
}

const refuse = (reading: Reading.Reading<unknown>, allowed: string): Result.Result<never, Mistakes> =>
  Result.fail([Reading.refuse(reading, allowed)])
