/**
 * An LMDB environment as the engine needs it: six ordered maps of bytes, read at once and written in transactions that
 * succeed when they are as durable as asked. Knows no channel and no publication.
 *
 * A transaction that fails ends the store: after a failed sync the system may have dropped what it was asked to write, so
 * that trying again can succeed and lose it all the same, and LMDB's own error path is not sound enough to be taken twice.
 * So room on the disk is looked for before each transaction, and a lack of it is no failure: it passes.
 */
import { randomBytes } from "node:crypto"
import { readFileSync, statfsSync, statSync } from "node:fs"
import { uptime } from "node:os"
import { join } from "node:path"
import { type Database, open, type RootDatabase } from "lmdb"
import * as DataDirectory from "./DataDirectory.ts"
import * as Records from "./Records.ts"

/** When a transaction is done: when it is on the disk, or when the operating system has it. */
export type Sync = "always" | "os"

/** Bytes that stay free on the disk: more than the transactions that are accepted before the lack is seen. */
export const defaultReserveBytes = 64 * 1024 * 1024

/** A transaction that takes longer has failed. */
export const commitTimeoutMs = 30_000

/** Closing takes no longer: whoever is left behind ends with the process. */
const closeTimeoutMs = 2000

/** Turns of the event loop in which a transaction usually becomes visible: after them it is looked for less often. */
const eagerTurns = 16

/** Address space, not memory: mapped once, so that the file does not have to be mapped anew while it grows to this. */
const mapBytes = 2 ** 36

/** Adds its writes when called, and says what the state is with them. */
export type Writes = () => Records.State

/** Which entries to read: from `start`, to before `end`. */
export interface Span {
  readonly start?: Buffer
  readonly end?: Buffer
  readonly reverse?: boolean
  readonly limit?: number
}

/** An ordered map of bytes. What is put and removed is so from the next transaction on, and read after it. */
export interface Table {
  readonly get: (key: Buffer) => Buffer | undefined
  readonly entries: (span: Span) => Iterable<{ readonly key: Buffer; readonly value: Buffer }>
  readonly firstKey: () => Buffer | undefined
  readonly put: (key: Buffer, value: Buffer) => void
  readonly remove: (key: Buffer) => void
  readonly size: () => number
  /** Bytes of its pages. */
  readonly bytes: () => number
}

/** The store, open. */
export interface LmdbStore {
  readonly directory: string
  /** Channels by name. */
  readonly heads: Table
  /** By channel and offset. */
  readonly publications: Table
  /** Publications and key uses that are not in their places yet, by transaction. */
  readonly log: Table
  /** Key uses by their hash. */
  readonly keys: Table
  /** Hashes of keys by their number, which is the order in which they expire. */
  readonly keyOrder: Table
  /** Names of channels by deadline and channel. */
  readonly due: Table
  /** As it was written last, or that of a new store. */
  readonly state: Records.State
  /**
   * What was promised is not all there: a crash of the machine has taken what the system had not written yet, or this is a
   * copy, from a moment before the last promise.
   */
  readonly isEarlier: boolean
  /**
   * Writes the state and whatever `writes` puts and removes, all or nothing; one at a time, with the state's next `batch`.
   * Nothing is written if `writes` throws.
   */
  readonly commit: (batch: number, writes: Writes) => Promise<void>
  /** Whether the disk has more than the reserve. */
  readonly hasSpace: () => boolean
  /** After it the directory is another server's to take. */
  readonly close: (clean: boolean) => Promise<void>
}

const stateKey = Buffer.from("state")
const runKey = Buffer.from("run")

/** Opens the store of a directory, making one in an empty directory. Throws a `DirectoryError`. */
export const openUnsafe = (options: {
  readonly directory: string
  readonly sync: Sync
  readonly reserveBytes: number
  /** Milliseconds since the epoch: the beginning of a new store. */
  readonly now: number
}): LmdbStore => {
  const { directory, now, reserveBytes, sync } = options
  DataDirectory.prepareUnsafe(directory)
  let root: RootDatabase<Buffer, Buffer>
  try {
    root = open({
      path: directory,
      noSubdir: false,
      encoding: "binary",
      keyEncoding: "binary",
      cache: false,
      // Batches are said outright. Left to itself the library makes promises that nobody can handle when they fail.
      eventTurnBatching: false,
      mapSize: mapBytes,
      maxDbs: 8,
    })
  } catch (cause) {
    throw DataDirectory.unusable(directory, cause)
  }
  try {
    claim(root, directory)
    const collected: Array<() => void> = []
    const table = (name: string) =>
      makeTable(root.openDB({ name, encoding: "binary", keyEncoding: "binary" }), (write) => collected.push(write))
    const tables = {
      heads: table("heads"),
      publications: table("publications"),
      log: table("log"),
      keys: table("keys"),
      keyOrder: table("keyOrder"),
      due: table("due"),
    }
    const written = root.get(stateKey)
    const ran = root.get(runKey)
    const before = ran === undefined ? undefined : Records.readRun(ran)
    const file = `${statSync(join(directory, DataDirectory.dataName)).ino}`
    const current = { boot: bootOf(), file, sync, clean: false }
    const isEarlier = before !== undefined && (before.file !== file || isTailLost(before, current))
    const state = {
      ...(written === undefined ? newState(now) : Records.readState(written)),
      ...(isEarlier ? { life: `.${randomBytes(3).toString("base64url")}` } : undefined),
    }
    // At once, so that the next start neither finds another epoch nor forgets what this one found.
    root.transactionSync(() => {
      void root.put(stateKey, Records.state(state))
      void root.put(runKey, Records.run(current))
    })
    DataDirectory.readyUnsafe(directory)
    return {
      ...tables,
      directory,
      state,
      isEarlier,
      commit: makeCommit(root, sync, collected),
      hasSpace: () => {
        const { bavail, bsize } = statfsSync(directory)
        return bavail * bsize > reserveBytes
      },
      close: (clean) => {
        if (clean) root.putSync(runKey, Records.run({ ...current, clean }))
        return within(closeTimeoutMs, "closed", root.close())
      },
    }
  } catch (cause) {
    void root.close()
    if (cause instanceof DataDirectory.DirectoryError) throw cause
    throw DataDirectory.unreadable(directory, cause)
  }
}

const isTailLost = (before: Records.Run, now: Records.Run) =>
  !before.clean && before.sync === "os" && before.boot !== now.boot

const newState = (now: number): Records.State => ({
  epoch: randomBytes(9).toString("base64url"),
  life: "",
  age: 0,
  wall: now,
  nextChannel: 0,
  nextKey: 0,
  forgottenRound: -1,
  batch: 0,
})

/**
 * LMDB lists who reads, and knows by a lock of the kernel who of them is alive: the lock ends with its process however that
 * ends, and neither a reused process id nor a container's own process ids deceive it. So we read, and look whether
 * we are alone. Of two that start at once both may see the other, and give up.
 */
const claim = (root: RootDatabase<Buffer, Buffer>, directory: string) => {
  const readers = () => (root.readerList().match(/^ *\d+ /gm) ?? []).map(Number)
  root.readerCheck()
  const others = readers()
  root.get(stateKey)
  const all = readers()
  if (others.length === 0 && all.length === 1) return
  throw new DataDirectory.DirectoryError({
    reason: "InUse",
    directory,
    observed: `another server has it open (process ${others[0] ?? all.find((id) => id !== process.pid) ?? process.pid})`,
    advice: "stop that one, or choose another directory",
  })
}

const makeTable = (db: Database<Buffer, Buffer>, collect: (write: () => void) => void): Table => {
  const stats = () => db.getStats() as Readonly<Record<string, number>>
  return {
    get: (key) => db.get(key),
    entries: (span) => db.getRange(span),
    firstKey: () => {
      const [first] = db.getKeys({ limit: 1 })
      return first
    },
    put: (key, value) => collect(() => void db.put(key, value)),
    remove: (key) => collect(() => void db.remove(key)),
    size: () => stats()["entryCount"]!,
    bytes: () => {
      const { entryCount, overflowPages, pageSize, treeBranchPageCount, treeLeafPageCount } = stats()
      return entryCount === 0 ? 0 : (treeBranchPageCount! + treeLeafPageCount! + overflowPages!) * pageSize!
    },
  }
}

const makeCommit =
  (root: RootDatabase<Buffer, Buffer>, sync: Sync, collected: Array<() => void>): LmdbStore["commit"] =>
  async (batch, writes) => {
    collected.length = 0
    const state = Records.state(writes())
    let isSettled = false
    // It succeeds when the transaction is synced: LMDB commits, which makes it visible, and syncs before it returns.
    const synced = root.batch(() => {
      for (const write of collected.splice(0)) write()
      void root.put(stateKey, state)
    })
    const done = sync === "os" ? Promise.race([synced, whenVisible(root, batch, () => isSettled)]) : synced
    try {
      await within(commitTimeoutMs, "written", done)
    } catch (error) {
      throw await reasonOf(error)
    } finally {
      isSettled = true
    }
  }

/** After a failure the library waits for promises that it broke. */
const within = async (ms: number, what: string, done: Promise<unknown>): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not ${what} after ${ms} ms`)), ms)
  })
  try {
    await Promise.race([done, late])
  } finally {
    clearTimeout(timer)
  }
}

/** What is visible was written to the system before. It is a matter of fractions of a millisecond, and nothing tells. */
const whenVisible = async (root: RootDatabase<Buffer, Buffer>, batch: number, isSettled: () => boolean) => {
  for (let turn = 0; ; turn++) {
    await new Promise((resume) => (turn < eagerTurns ? setImmediate(resume) : setTimeout(resume, 1)))
    if (isSettled()) return
    root.resetReadTxn()
    const bytes = root.get(stateKey)
    if (bytes !== undefined && Records.readState(bytes).batch >= batch) return
  }
}

/** The library's error says only that there is another one. */
const reasonOf = async (error: unknown): Promise<unknown> => {
  if (!(error instanceof Error) || !("commitError" in error)) return error
  return Promise.race([
    Promise.resolve(error.commitError).catch((reason: unknown) => reason),
    new Promise(setImmediate),
  ]).then((reason) => reason ?? error)
}

// Where there is no such file, the time of boot in minutes: a clock that was set makes it another boot, which is safe.
const bootOf = (): string => {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()
  } catch {
    return `booted ${Math.round((Date.now() / 1000 - uptime()) / 60)}`
  }
}
