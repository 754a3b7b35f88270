/**
 * A stranger that sends what nobody should, and expects the goodbye that the protocol has for it.
 * One attempt after the other: what is under test is that nobody else notices.
 */
import { frameOf, type Message } from "../load/GatewayClient.ts"
import type { Ledger } from "./Ledger.ts"
import { Link } from "./Link.ts"
import type { Random } from "./Random.ts"

/** What a vandal is given. */
export interface Options {
  readonly name: string
  readonly port: () => number
  readonly ledger: Ledger
  readonly random: Random
}

interface Attack {
  readonly bytes: (random: Random) => Uint8Array
  /** The codes of the byes that it deserves. */
  readonly byes: ReadonlyArray<number>
}

const connect: Message = { type: "connect", id: 1, version: 1 }

const header = (length: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  return bytes
}

const body = (text: string): Buffer => Buffer.concat([header(Buffer.byteLength(text)), Buffer.from(text)])

const attacks: Readonly<Record<string, Attack>> = {
  http: { bytes: () => Buffer.from("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"), byes: [4509] },
  tls: { bytes: () => Buffer.from("16030100c8010000c40303", "hex"), byes: [4509] },
  oversizeAtFirst: { bytes: (random) => header(random.between(16 * 1024 + 1, 2 ** 31)), byes: [4505, 4509] },
  oversizeLater: {
    bytes: (random) => Buffer.concat([frameOf(connect), header(random.between(64 * 1024 + 1, 2 ** 31))]),
    byes: [4505],
  },
  notConnected: { bytes: () => frameOf({ type: "publish", channel: "room:0", data: 1 }), byes: [4501] },
  twice: { bytes: () => Buffer.concat([frameOf(connect), frameOf(connect)]), byes: [4501] },
  notJson: { bytes: () => Buffer.concat([frameOf(connect), body("{not json")]), byes: [4501] },
  deep: { bytes: () => Buffer.concat([frameOf(connect), body(`{"a":${"[".repeat(10_000)}`)]), byes: [4501] },
  flood: {
    bytes: () => Buffer.concat([frameOf(connect), Buffer.alloc(4 * 20_000)]),
    byes: [4300],
  },
  garbage: {
    bytes: (random) => Uint8Array.from({ length: random.between(1, 4_000) }, () => random.between(0, 255)),
    byes: [4501, 4505, 4509, 4510, 4502],
  },
}

/** One vandal, through attack after attack. */
export class Vandal {
  readonly #options: Options
  #stopped = false

  constructor(options: Options) {
    this.#options = options
  }

  /** Attacks until it is told to stop. */
  start(): void {
    const { ledger, name, port, random } = this.#options
    if (this.#stopped) return
    const kind = random.pick(Object.keys(attacks))
    const { byes, bytes } = attacks[kind]!
    const link = new Link(port(), {
      message: (message) => {
        if (message.type !== "bye" || this.#stopped) return
        const code = message["code"] as number
        // Who leaves before it was judged is told 4000.
        if (code !== 4000 && !byes.includes(code)) ledger.fault(`${name} (${kind}) got ${JSON.stringify(message)}`)
      },
      end: () => {
        clearTimeout(impatience)
        setTimeout(() => this.start(), random.between(0, 300))
      },
    })
    const impatience = setTimeout(() => link.reset(), random.between(500, 3_000))
    link.raw(bytes(random))
    if (random.chance(0.3)) setTimeout(() => link.finish(), random.between(0, 50))
  }

  /** No further attack. */
  stop(): void {
    this.#stopped = true
  }
}
