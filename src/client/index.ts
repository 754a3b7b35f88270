/**
 * The client's public face: for programs that talk to a gateway, in Node and in browsers.
 * Names no platform: `dial` is a transport's, such as `TcpTransport.dial` of the package's main entry.
 */

export * as Client from "./Client.ts"
export * as ClientError from "./ClientError.ts"
export * as ClientEvent from "./ClientEvent.ts"
export * as ClientPool from "./ClientPool.ts"
export * as Typed from "./Typed.ts"
export type { Publication, Request } from "./Message.ts"
export type { Item, Joined } from "./Subscription.ts"
