/** What a WebSocket asks for, by encoding (docs/protocol.md, section 1). A table; agrees on nothing itself. */

/** How bodies are written. */
export type Encoding = "json" | "protobuf"

/** The subprotocol of each encoding. */
export const names = { json: "longline.v1.json", protobuf: "longline.v1.protobuf" } as const satisfies Record<
  Encoding,
  string
>

/** The messages that each subprotocol has. */
export const kinds = { [names.json]: "text", [names.protobuf]: "binary" } as const
