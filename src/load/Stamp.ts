/**
 * What the data of a publication or a request carries: who sent it, as which of its own, and when it should have been sent.
 * Written into JSON text and found in a body by its bytes, for every delivery passes here; parses no JSON.
 */

/** One message of the load. */
export interface Stamp {
  /** The sender's number. */
  readonly source: number
  /** Counts the sender's messages from 0. */
  readonly sequence: number
  /** When it should have been sent, in microseconds of the machine's monotonic clock. */
  readonly at: number
}

/** Room for the longest stamp with its quotes. */
export const leastBytes = 64

const filling = "longline "

/** Writes and finds the stamps of one run. */
export interface Stamps {
  /** The data as JSON text of so many bytes (or `leastBytes`), a string of plain ASCII. */
  readonly write: (stamp: Stamp, bytes: number) => string
  /** The first stamp in a body; undefined if there is none of this run. */
  readonly find: (body: Uint8Array) => Stamp | undefined
}

/** The stamps of a run, whose name is letters and digits. */
export const make = (run: string): Stamps => {
  const marker = `"~${run} `
  const needle = Buffer.from(marker, "latin1")
  let fillings = ""
  return {
    write: ({ at, sequence, source }, bytes) => {
      const length = Math.max(leastBytes, bytes)
      if (fillings.length < length) fillings = filling.repeat(Math.ceil(length / filling.length))
      const head = `${marker}${source} ${sequence} ${at} `
      return `${head}${fillings.slice(0, length - head.length - 1)}"`
    },
    find: (body) => {
      const found = Buffer.from(body.buffer, body.byteOffset, body.length).indexOf(needle)
      if (found === -1) return undefined
      let position = found + needle.length
      const number = (): number => {
        let value = 0
        for (let digit = body[position++]! - zero; digit >= 0 && digit <= 9; digit = body[position++]! - zero) {
          value = value * 10 + digit
        }
        return value
      }
      return { source: number(), sequence: number(), at: number() }
    },
  }
}

const zero = 0x30
