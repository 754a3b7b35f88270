/** Files in memory, for whoever reads some. Every other path does not exist. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Layer from "effect/Layer"
import * as PlatformError from "effect/PlatformError"

/** The files as the record has them at the moment of reading. */
export const filesOf = (files: Readonly<Record<string, string | Uint8Array>>): Layer.Layer<FileSystem.FileSystem> => {
  const read = (path: string): Effect.Effect<Buffer, PlatformError.PlatformError> =>
    Effect.suspend(() => {
      const contents = files[path]
      return contents === undefined ? Effect.fail(noSuchFile(path)) : Effect.succeed(Buffer.from(contents))
    })
  return FileSystem.layerNoop({
    readFile: read,
    readFileString: (path) => Effect.map(read(path), (bytes) => bytes.toString("utf8")),
  })
}

const noSuchFile = (path: string): PlatformError.PlatformError =>
  PlatformError.systemError({
    _tag: "NotFound",
    module: "FileSystem",
    method: "readFile",
    pathOrDescriptor: path,
    cause: new Error("ENOENT: no such file or directory"),
  })
