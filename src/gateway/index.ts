/**
 * The gateway's public face: for those who embed it, or speak its protocol.
 * The toolkit that it is made of is the package's main entry.
 */

export * as Defaults from "./Defaults.ts"
export * as Gateway from "./Gateway.ts"
export * as Policy from "./Policy.ts"
export * as Identity from "./auth/Identity.ts"
export * as Engine from "./engine/Engine.ts"
export * as LmdbEngine from "./engine/LmdbEngine.ts"
export * as MemoryEngine from "./engine/MemoryEngine.ts"
export * as ByeCode from "./protocol/ByeCode.ts"
export * as ClientMessage from "./protocol/ClientMessage.ts"
export * as Data from "./protocol/Data.ts"
export * as ErrorCode from "./protocol/ErrorCode.ts"
export * as ServerMessage from "./protocol/ServerMessage.ts"
