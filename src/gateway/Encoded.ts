/** What many are sent: encoded once for each encoding that one of them speaks. A type only. */
import type { SharedMessage } from "../connection/Protocol.ts"
import type { ServerMessage } from "./protocol/ServerMessage.ts"

/** A message for many clients. */
export type Encoded = SharedMessage<ServerMessage>
