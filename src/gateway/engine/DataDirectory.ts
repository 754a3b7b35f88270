/**
 * The directory that a store lives in: whose it is, and whether it is whole enough to be opened. Makes an empty one ours.
 * Never changes one that is not, and never mends a damaged one.
 */
import * as Data from "effect/Data"
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs"
import { readSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

/** The format of the store. A directory of another one is refused. */
export const format = 1

/** The file that says whose the directory is. */
export const markName = "longline.format"

/** The file of the publications. */
export const dataName = "data.mdb"

const lockName = "lock.mdb"

/** What a new file system has in its root. */
const foundBySystem = "lost+found"

/** Why a store cannot be opened. */
export class DirectoryError extends Data.TaggedError("DirectoryError")<{
  /**
   * `Foreign`: something else lives there. `Format`: made by another version. `Damaged`: not whole. `InUse`: another
   * server has it. `Unusable`: the system does not let us.
   */
  readonly reason: "Foreign" | "Format" | "Damaged" | "InUse" | "Unusable"
  readonly directory: string
  /** What was seen there. */
  readonly observed: string
  /** What to do. */
  readonly advice: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return `data directory ${this.directory}: ${this.observed}; ${this.advice}`
  }
}

const restore = "restore it from a backup, or start with another directory"

const markOf = (stage: "new" | "ready") => `longline data, format ${format}, ${stage}\n`

/** Makes the directory if there is none, and refuses one that is not ours or not whole. */
export const prepareUnsafe = (directory: string): void => {
  try {
    makeDirectory(directory)
    const names = readdirSync(directory).filter((name) => name !== foundBySystem)
    if (names.length === 0) writeMark(directory, "new")
    else if (!names.includes(markName)) {
      throw new DirectoryError({
        reason: "Foreign",
        directory,
        observed: `holds ${names.length} entries that are not of a longline store (${names.slice(0, 3).join(", ")})`,
        advice: "choose an empty directory, or one that does not exist",
      })
    } else inspect(directory, names)
  } catch (cause) {
    if (cause instanceof DirectoryError) throw cause
    throw unusable(directory, cause)
  }
}

/** Says that the store was made: from now on its absence is damage. */
export const readyUnsafe = (directory: string): void => {
  if (readMark(directory) !== markOf("ready")) writeMark(directory, "ready")
}

/** What the system said instead of letting us. */
export const unusable = (directory: string, cause: unknown): DirectoryError =>
  new DirectoryError({
    reason: "Unusable",
    directory,
    observed: cause instanceof Error ? cause.message : String(cause),
    advice: isInTheWay(cause)
      ? "a file is in its place, or in that of a directory above: choose another path"
      : "make it readable and writable for the user that the server runs as",
    cause,
  })

// Not `recursive`: Node tries for ever where a directory that is there answers ENOENT, as those of /proc do.
const makeDirectory = (directory: string): void => {
  try {
    mkdirSync(directory, { mode: 0o700 })
  } catch (cause) {
    if (codeOf(cause) === "EEXIST" && statSync(directory).isDirectory()) return
    if (codeOf(cause) !== "ENOENT" || existsSync(dirname(directory))) throw cause
    makeDirectory(dirname(directory))
    mkdirSync(directory, { mode: 0o700 })
  }
}

const codeOf = (cause: unknown) => (cause instanceof Error && "code" in cause ? cause.code : undefined)

const isInTheWay = (cause: unknown): boolean => codeOf(cause) === "EEXIST" || codeOf(cause) === "ENOTDIR"

/** What was found inside, though the files look right from outside. */
export const unreadable = (directory: string, cause: unknown): DirectoryError =>
  damaged(directory, `its content cannot be read (${String(cause)})`, cause)

const damaged = (directory: string, observed: string, cause?: unknown) =>
  new DirectoryError({ reason: "Damaged", directory, observed, advice: restore, cause })

const readMark = (directory: string) => readFileSync(join(directory, markName), "utf8")

// Written aside and renamed, so that a crash leaves the old one or the new one; the directory is synced for the name.
const writeMark = (directory: string, stage: "new" | "ready") => {
  const aside = join(directory, `${markName}.tmp`)
  writeFileSync(aside, markOf(stage), { flush: true })
  renameSync(aside, join(directory, markName))
  const handle = openSync(directory, "r")
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

const inspect = (directory: string, names: ReadonlyArray<string>) => {
  const mark = readMark(directory)
  if (mark === markOf("new")) {
    // Nothing was ever answered for: a server died while it made the store.
    for (const name of [dataName, lockName]) rmSync(join(directory, name), { force: true })
    return
  }
  if (mark !== markOf("ready")) {
    const found = /^longline data, format (\d+), /.exec(mark)?.[1]
    if (found === undefined) throw damaged(directory, `${markName} says ${JSON.stringify(mark.slice(0, 80))}`)
    throw new DirectoryError({
      reason: "Format",
      directory,
      observed: `its format is ${found}, this version knows ${format}`,
      advice: "run the version that made it, or start with another directory",
    })
  }
  if (!names.includes(dataName)) throw damaged(directory, `${dataName} is missing`)
  inspectData(directory)
}

/** LMDB's meta pages, in the layout of npm `lmdb`: at 0, at one page, and between them if syncs overlap. */
const magic = 0xbeefc0de
const pageHeaderBytes = 24
const metaBytes = 136
const pageSizeAt = 24
const lastPageAt = 120
const transactionAt = 128

/** The last pages of a sound file may be missing, if they are free. A file that is short by more was cut off. */
const maxShortBytes = 1024 * 1024

// LMDB maps the file and reads it without looking at its size: a page that is not there would kill the process.
const inspectData = (directory: string) => {
  const path = join(directory, dataName)
  const { size } = statSync(path)
  const first = readMeta(path, 0)
  const pageSize = first?.readUInt32LE(pageSizeAt) ?? 0
  if (first === undefined || pageSize < 512 || pageSize > 65_536) {
    throw damaged(directory, `${dataName} of ${size} bytes does not begin as a store does`)
  }
  const transactionOf = (meta: Buffer) => meta.readBigUInt64LE(transactionAt)
  const newest = [pageSize / 2, pageSize]
    .map((at) => readMeta(path, at))
    .reduce<Buffer>((a, b) => (b !== undefined && transactionOf(b) > transactionOf(a) ? b : a), first)
  const needed = (Number(newest.readBigUInt64LE(lastPageAt)) + 1) * pageSize
  if (size + maxShortBytes < needed)
    throw damaged(directory, `${dataName} has ${size} bytes of ${needed}, it was cut off`)
}

const readMeta = (path: string, page: number): Buffer | undefined => {
  const handle = openSync(path, "r")
  try {
    const meta = Buffer.alloc(metaBytes)
    const length = readSync(handle, meta, 0, metaBytes, page + pageHeaderBytes)
    return length === metaBytes && meta.readUInt32LE(0) === magic ? meta : undefined
  } finally {
    closeSync(handle)
  }
}
