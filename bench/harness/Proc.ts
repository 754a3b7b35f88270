/**
 * What the system says a process has used: its CPU time and its resident memory, from /proc.
 * Linux only. A thread that has ended is not counted any more; no peer ends threads while it is measured.
 */
import { readdirSync, readFileSync } from "node:fs"

/** CPU time of all threads, in nanoseconds: the first field of each `schedstat`. */
export const cpuNs = (pid: number): number => {
  let sum = 0
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const stat = readFileSync(`/proc/${pid}/task/${task}/schedstat`, "latin1")
    sum += Number(stat.slice(0, stat.indexOf(" ")))
  }
  return sum
}

/** Resident memory in bytes. */
export const residentBytes = (pid: number): number => {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? []
  if (kib === undefined) throw new Error(`/proc/${pid}/status shows no VmRSS: has the server ended?`)
  return Number(kib) * 1024
}
