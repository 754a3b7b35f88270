/**
 * Latencies in a HDR histogram: microseconds in, percentiles in milliseconds out, exact to three digits.
 * Knows no clock. Several workers' are merged without loss, which percentiles could not be.
 */
import * as Hdr from "hdr-histogram-js"

/** Milliseconds. Of no latency at all, all are 0. */
export interface Summary {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

/** Nothing is waited for as long as this; whatever is longer counts as this. */
const longestMicros = 3_600_000_000

/** Latencies of one kind. Mutable. */
export class Latencies {
  readonly #histogram = Hdr.build({
    bitBucketSize: 32,
    autoResize: false,
    highestTrackableValue: longestMicros,
    numberOfSignificantValueDigits: 3,
  })

  /** Takes note of one. One below a microsecond counts as 0. */
  record(micros: number): void {
    this.#histogram.recordValue(Math.min(longestMicros, Math.max(0, Math.round(micros))))
  }

  /** What `encoded` of another gave. */
  add(encoded: string): void {
    this.#histogram.add(Hdr.decodeFromCompressedBase64(encoded))
  }

  /** As text that goes from one worker to another. */
  encoded(): string {
    return Hdr.encodeIntoCompressedBase64(this.#histogram)
  }

  summary(): Summary {
    const histogram = this.#histogram
    const at = (percentile: number) => histogram.getValueAtPercentile(percentile) / 1000
    const count = histogram.totalCount
    return { count, p50: at(50), p99: at(99), p999: at(99.9), max: count === 0 ? 0 : histogram.maxValue / 1000 }
  }
}
