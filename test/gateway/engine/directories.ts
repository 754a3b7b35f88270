/**
 * Data directories of tests, gone with their scope. Opens no engine.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** A path within a new directory, where nothing is yet. */
export const freshDirectory: Effect.Effect<string, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "longline-engine-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
  ),
  (path) => join(path, "data"),
)
