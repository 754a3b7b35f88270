/**
 * Effect RPC over Longline connections: any `RpcGroup` served by `RpcListener` and called through `RpcDialer`.
 * Names no transport and no serialization: both are provided.
 */

export * as RpcDialer from "./RpcDialer.ts"
export * as RpcListener from "./RpcListener.ts"
