/**
 * The gateway's configuration, typed and checked, from flags, environment and defaults.
 * Refuses settings that contradict each other, and a listener beyond loopback that nobody asked for in words.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as LogLevel from "effect/LogLevel"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import type { Address } from "../../transport/Transport.ts"
import type { ConfigError } from "./ConfigError.ts"
import { isLoopback } from "./Host.ts"
import * as Setting from "./Setting.ts"
import * as Settings from "./Settings.ts"
import * as TlsFiles from "./TlsFiles.ts"

/** Where to listen. A TCP port of 0 is any free one. */
export type Listen = Exclude<Address, { readonly _tag: "Memory" }>

/** Everything the gateway is told from outside. Nothing in it is left to check. */
export interface GatewayConfig {
  readonly listen: Listen
  /** Undefined for plain connections. */
  readonly tls: TlsFiles.TlsMaterial | undefined
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  /** Silence after which a peer is probed. */
  readonly heartbeatInterval: Duration.Duration
  /** Silence after a probe that ends the connection. */
  readonly heartbeatTimeout: Duration.Duration
  /** The first message has to be there by then. */
  readonly connectTimeout: Duration.Duration
  /** Between the notice of a shutdown and its first goodbye. */
  readonly drainGrace: Duration.Duration
  /** From the first goodbye of a shutdown to its end. */
  readonly drainTimeout: Duration.Duration
  readonly logLevel: LogLevel.LogLevel
  readonly logFormat: Settings.LogFormat
}

/** Loads the configuration. The environment is the current `ConfigProvider`; flags win over it. */
export const load = (
  flags: Settings.Flags,
): Effect.Effect<GatewayConfig, ConfigError, FileSystem.FileSystem | Stdio.Stdio> =>
  Effect.gen(function* () {
    const readings = yield* Settings.read(flags)
    const listen = yield* Effect.fromResult(listenOf(readings))
    const tlsFiles = yield* Effect.fromResult(tlsFilesOf(readings))
    const tls = tlsFiles === undefined ? undefined : yield* TlsFiles.read(tlsFiles)
    const onTerminal = yield* Stdio.Stdio.use((stdio) => stdio.stdoutIsTerminal)
    return {
      listen,
      tls,
      maxConnections: readings.maxConnections.value,
      maxConnectionsPerAddress: readings.maxConnectionsPerAddress.value,
      heartbeatInterval: readings.heartbeatInterval.value,
      heartbeatTimeout: readings.heartbeatTimeout.value,
      connectTimeout: readings.connectTimeout.value,
      drainGrace: readings.drainGrace.value,
      drainTimeout: readings.drainTimeout.value,
      logLevel: readings.logLevel.value,
      logFormat: readings.logFormat.value ?? (onTerminal ? "pretty" : "json"),
    }
  })

/**
 * Where the readings say to listen: a unix socket or a TCP port, never both, and TLS on the latter only.
 * Beyond loopback only with `--insecure`, because the gateway cannot tell its peers apart yet; neither can TLS alone.
 */
const listenOf = ({
  host,
  port,
  unix,
  tlsCert,
  tlsKey,
  tlsClientCa,
  insecure,
}: Settings.Readings): Result.Result<Listen, ConfigError> => {
  if (unix.value !== undefined) {
    const leftOut = (rival: { readonly where: string }, because: string) =>
      Result.fail(Setting.refuse(unix, `left out when ${rival.where} is given: ${because}`))
    const rival = [host, port].find((reading) => reading.written)
    if (rival !== undefined) return leftOut(rival, "the gateway listens in one place")
    const encryption = [tlsCert, tlsKey, tlsClientCa].find((reading) => reading.written)
    if (encryption !== undefined) return leftOut(encryption, "a unix socket has no TLS")
    return Result.succeed({ _tag: "Unix", path: unix.value })
  }
  if (!isLoopback(host.value) && !insecure.value) {
    return Result.fail(
      Setting.refuse(
        host,
        "a loopback address (127.0.0.0/8, ::1 or localhost), because there is no authentication yet; " +
          "--insecure lets anyone who can reach it connect",
      ),
    )
  }
  return Result.succeed({ _tag: "Tcp", host: host.value, port: port.value })
}

/** The TLS files that the readings name, complete, or none at all. A certificate and its key come together. */
const tlsFilesOf = ({
  tlsCert,
  tlsKey,
  tlsClientCa,
}: Pick<Settings.Readings, "tlsCert" | "tlsKey" | "tlsClientCa">): Result.Result<
  TlsFiles.TlsFiles | undefined,
  ConfigError
> => {
  const cert = present(tlsCert)
  const key = present(tlsKey)
  const clientCa = present(tlsClientCa)
  if (cert !== undefined && key !== undefined) return Result.succeed({ cert, key, clientCa })
  const first = cert ?? key ?? clientCa
  if (first === undefined) return Result.succeed(undefined)
  const missing = [tlsCert, tlsKey].filter((reading) => !reading.written).map((reading) => reading.where)
  return Result.fail(Setting.refuse(first, `given together with ${missing.join(" and ")}`))
}

const present = (reading: Setting.Reading<string | undefined>): Setting.Reading<string> | undefined =>
  reading.value === undefined ? undefined : { ...reading, value: reading.value }
