/** How large the body of a frame may be (docs/protocol.md, section 1). Numbers only: layouts and codecs hold peers to them. */

/** Bytes of a client's until it has connected: of its `connect`. */
export const maxFrameBytesBeforeConnect = 16 * 1024

/** Bytes of a client's afterwards. */
export const maxClientFrameBytes = 64 * 1024

/** Bytes of the gateway's. */
export const maxServerFrameBytes = 1024 * 1024
