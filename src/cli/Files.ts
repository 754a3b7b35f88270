/**
 * Reads the files that flags name, and says which flag named one that cannot be read.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import { type CommandFailed, mistaken } from "./Complaint.ts"

/** The bytes of the file. */
export const read = (flag: string, path: string): Effect.Effect<Uint8Array, CommandFailed, FileSystem.FileSystem> =>
  FileSystem.FileSystem.use((fs) => fs.readFile(path)).pipe(
    Effect.catch((error) =>
      mistaken(`${flag} is ${JSON.stringify(path)}; it must be a file that can be read (${why(error)})`),
    ),
  )

/** Why, in the system's own words ("ENOENT: no such file or directory, open 'x'"): they say more than Effect's. */
export const why = ({ reason }: PlatformError): string =>
  reason.cause instanceof Error ? reason.cause.message : reason.message

/** The text of the file without what is blank around it; never empty. */
export const readText = Effect.fnUntraced(function* (flag: string, path: string) {
  const text = Buffer.from(yield* read(flag, path))
    .toString("utf8")
    .trim()
  return text === "" ? yield* mistaken(`${flag} is ${JSON.stringify(path)}; it must be a file that is not empty`) : text
})
