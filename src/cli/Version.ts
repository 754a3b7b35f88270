/**
 * The version of this program. Reads its manifest, and nothing else.
 */
import { readFileSync } from "node:fs"

/** The version in package.json. */
export const version = (
  JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { readonly version: string }
).version
