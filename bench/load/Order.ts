/**
 * What a client process of the bench is told to do, and what must come to it. Does nothing.
 */

/** Connect so many clients to this port of loopback, each with so many channels. */
export interface Order {
  readonly type: "subscribe"
  readonly port: number
  readonly clients: number
  readonly channels: number
}

/** Tells how many publications have come, each of them right, since the order. */
export interface Report {
  readonly type: "received"
  readonly count: number
}

/** Bytes of a publication's data as JSON, its quotes included. */
export const dataBytes = 128

const data = Array.from({ length: 64 }, (_, n) => `${n}`.padStart(10, "0").padEnd(dataBytes - 2, " longline"))

/** The data of the publication with this offset. */
export const dataAt = (offset: number): string => data[offset % data.length]!

/** The name of a channel by its number. */
export const channelName = (number: number): string => `channel:${number}`
