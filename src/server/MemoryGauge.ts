/**
 * What the process uses of its memory, and what it may use: read from Node and, on Linux, from the system.
 * Judges nothing, and remembers nothing between two readings.
 */
import * as Context from "effect/Context"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as V8 from "node:v8"

/** A use in bytes, and the bound that the system or V8 puts to it. */
export interface Use {
  readonly usedBytes: number
  readonly limitBytes: number
}

/** Readings of this process. */
export interface Readings {
  /** Memory that is the process's own, of what its control group or the machine has. */
  readonly memory: () => Use
  /** V8's heap, of what it may grow to (`--max-old-space-size`). */
  readonly heap: () => Use
  /** All buffers of the process, those that the collector has yet to free among them: each once, however many hold it. */
  readonly bufferBytes: () => number
}

/**
 * Memory that no file backs, where the system tells it: pages of a file that is mapped, as LMDB maps its data, count in
 * the resident set and are given back whenever somebody else needs them.
 */
const ownBytes = (): number => {
  try {
    const kib = /^RssAnon:\s*(\d+) kB$/m.exec(Fs.readFileSync("/proc/self/status", "latin1"))?.[1]
    if (kib !== undefined) return Number(kib) * 1024
  } catch {
    // Another system than Linux.
  }
  return process.memoryUsage.rss()
}

const memory = (): Use => {
  const limitBytes = Os.totalmem()
  // 0 where it is not known, and more than there is where it is not constrained.
  const constrained = process.constrainedMemory()
  return { usedBytes: ownBytes(), limitBytes: constrained > 0 ? Math.min(constrained, limitBytes) : limitBytes }
}

const heap = (): Use => {
  const { used_heap_size, heap_size_limit } = V8.getHeapStatistics()
  return { usedBytes: used_heap_size, limitBytes: heap_size_limit }
}

/** The readings in force. The default reads this process: 0.2 ms for all of them. */
export const MemoryGauge = Context.Reference<Readings>("longline/server/MemoryGauge", {
  defaultValue: () => ({ memory, heap, bufferBytes: () => process.memoryUsage().external }),
})
