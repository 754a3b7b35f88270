/**
 * Latencies in a HDR histogram: microseconds in, percentiles in milliseconds out, exact to three digits; the longest is exact.
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

/** Latencies on their way from one worker to another. */
export interface Encoded {
  readonly histogram: string
  readonly maxMicros: number
}

/** Latencies of one kind. Mutable. */
export class Latencies {
  readonly #histogram = Hdr.build({
    bitBucketSize: 32,
    autoResize: false,
    highestTrackableValue: longestMicros,
    numberOfSignificantValueDigits: 3,
  })
  // The histogram's own has three digits, and is rounded up when it is merged.
  #maxMicros = 0

  /** Takes note of one. One below a microsecond counts as 0. */
  record(micros: number): void {
    const bounded = Math.min(longestMicros, Math.max(0, Math.round(micros)))
    this.#histogram.recordValue(bounded)
    this.#maxMicros = Math.max(this.#maxMicros, bounded)
  }

  /** Adds those of another. */
  add({ histogram, maxMicros }: Encoded): void {
    this.#histogram.add(Hdr.decodeFromCompressedBase64(histogram))
    this.#maxMicros = Math.max(this.#maxMicros, maxMicros)
  }

  encoded(): Encoded {
    return { histogram: Hdr.encodeIntoCompressedBase64(this.#histogram), maxMicros: this.#maxMicros }
  }

  /** Percentiles are the upper end of their bucket, and never above the longest that there was. */
  summary(): Summary {
    const max = this.#maxMicros / 1000
    const at = (percentile: number) => Math.min(max, this.#histogram.getValueAtPercentile(percentile) / 1000)
    return { count: this.#histogram.totalCount, p50: at(50), p99: at(99), p999: at(99.9), max }
  }
}
