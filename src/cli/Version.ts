/**
 * The version of this program, from its manifest. Reads nothing when it runs: the manifest is bundled with it.
 */
import manifest from "../../package.json" with { type: "json" }

/** The version in package.json. */
export const version: string = manifest.version
