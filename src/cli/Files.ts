/**
 * Reads the files that flags name, and says which flag named one that cannot be read.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { type CommandFailed, mistaken } from "./Complaint.ts"

/** The bytes of the file. */
export const read = (flag: string, path: string): Effect.Effect<Uint8Array, CommandFailed, FileSystem.FileSystem> =>
  FileSystem.FileSystem.use((fs) => fs.readFile(path)).pipe(
    Effect.catch(({ reason }) => {
      const why = reason.cause instanceof Error ? reason.cause.message : reason.message
      return mistaken(`${flag} is ${JSON.stringify(path)}; it must be a file that can be read (${why})`)
    }),
  )

/** The text of the file without what is blank around it; never empty. */
export const readText = Effect.fnUntraced(function* (flag: string, path: string) {
  const text = Buffer.from(yield* read(flag, path))
    .toString("utf8")
    .trim()
  return text === "" ? yield* mistaken(`${flag} is ${JSON.stringify(path)}; it must be a file that is not empty`) : text
})
