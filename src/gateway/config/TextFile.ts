/**
 * Reads the files that settings name: certificates, keys, schemas, the configuration itself.
 * Refuses one that is too large, or that is not UTF-8.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Stream from "effect/Stream"
import type { ConfigError } from "./ConfigError.ts"
import * as Reading from "./Reading.ts"
import * as SizeText from "./SizeText.ts"

/** The largest file that is read, in bytes. Certificates, schemas and configurations have a few KiB. */
export const maxFileBytes = 256 * 1024

/** The text of the file that a setting names. Not more than a byte beyond the limit is read. */
export const read = (file: Reading.Reading<string>): Effect.Effect<string, ConfigError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const chunks = yield* fs.stream(file.value, { bytesToRead: maxFileBytes + 1 }).pipe(
      Stream.runCollect,
      Effect.mapError(({ reason }) => {
        // The system's own words ("ENOENT: no such file or directory, open 'x'") say more than Effect's tag.
        const why = reason.cause instanceof Error ? reason.cause.message : reason.message
        return Reading.refuse(file, `a file that can be read (${why})`)
      }),
    )
    const bytes = Buffer.concat(chunks)
    if (bytes.length > maxFileBytes)
      return yield* Reading.refuse(file, `a file of at most ${SizeText.format(maxFileBytes)}`)
    return yield* Effect.try({
      try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
      catch: () => Reading.refuse(file, "a file of UTF-8 text"),
    })
  })
