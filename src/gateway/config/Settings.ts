/**
 * Every setting that has a flag or a variable, in the order of the help.
 * Those of channels and services are in `PolicySettings`: they have neither.
 */
import { auth } from "./AuthSettings.ts"
import { limits } from "./LimitSettings.ts"
import * as ServerSettings from "./ServerSettings.ts"
import * as Setting from "./Setting.ts"
import { webSocket } from "./WebSocketSettings.ts"

/** The file that holds the rest. */
export const configFile = Setting.text({
  key: "config",
  places: ["environment", "flag"],
  purpose: "configuration file: YAML, JSON or TOML by its name",
  placeholder: "<file>",
  allowed: "the path of a file whose name ends in .yaml, .yml, .json or .toml",
  fallback: undefined,
  isAllowed: (path) => /\.(ya?ml|json|toml)$/i.test(path),
})

/** The table. */
export const settings = {
  config: configFile,
  ...ServerSettings.listen,
  ...ServerSettings.tls,
  ...webSocket,
  ...limits,
  ...ServerSettings.times,
  ...ServerSettings.data,
  ...auth,
  ...ServerSettings.log,
} as const
