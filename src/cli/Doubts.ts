/**
 * What a valid configuration will not do well, here or soon: a history that does not fit into the heap, a certificate that
 * clients refuse. Says so in the log, and keeps nothing from starting.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { X509Certificate } from "node:crypto"
import type { GatewayConfig } from "../gateway/config/GatewayConfig.ts"
import * as SizeText from "../gateway/config/SizeText.ts"
import * as MemoryGauge from "../server/MemoryGauge.ts"

/** How long before its end a certificate is spoken of, once a day: 14 days. */
export const certificateNoticeMs = Duration.toMillis("14 days")

/** Warns of a history in memory that newcomers would be refused for before it is full. */
export const checkHistory = ({ data, limits }: Pick<GatewayConfig, "data" | "limits">): Effect.Effect<void> =>
  Effect.gen(function* () {
    const heap = (yield* MemoryGauge.MemoryGauge).heap().limitBytes
    const room = (heap * limits.memoryPercent) / 100
    if (data !== undefined || limits.historyBytes <= room) return
    const [wanted, has] = [limits.historyBytes, room - (room % mebibyte)].map(SizeText.format)
    yield* Effect.logWarning(
      `the history may take ${wanted}, and newcomers are refused when this process uses ${has} of heap: lower --history-bytes or raise node --max-old-space-size`,
    )
  })

const mebibyte = 1024 * 1024

/** Warns of a certificate in PEM that has expired, soon will, or is not valid yet. */
export const checkCertificate = (pem: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const certificate = new X509Certificate(pem)
    const [from, to] = [new Date(certificate.validFrom), new Date(certificate.validTo)]
    const warn = (text: string) => Effect.logWarning(`the TLS certificate ${text}`)
    if (now > to.getTime()) {
      yield* warn(`expired at ${to.toISOString()}: clients refuse it; replace it, and restart`)
    } else if (now > to.getTime() - certificateNoticeMs) {
      yield* warn(`expires at ${to.toISOString()}: replace it before, and restart`)
    } else if (now < from.getTime()) {
      yield* warn(`is not valid before ${from.toISOString()}: clients refuse it until then`)
    }
  })

/** Both when it starts, and the certificate once a day from then on. */
export const layer = (config: Pick<GatewayConfig, "data" | "limits" | "tls">): Layer.Layer<never> =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      yield* checkHistory(config)
      if (config.tls === undefined) return
      yield* Effect.forkScoped(Effect.repeat(checkCertificate(config.tls.cert), Schedule.spaced("1 day")), {
        startImmediately: true,
      })
    }),
  )
