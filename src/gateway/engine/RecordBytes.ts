/**
 * Writing and reading the bytes of records: numbers of eight bytes, texts behind their length, and a rest.
 * Knows no record, and reads none of a version that it does not know.
 */

/** Of every record's first byte. Another one is a newer server's, or no record. */
export const version = 1

/** A record that cannot be read: of another version, or cut off. */
export class RecordError extends Error {
  override readonly name = "RecordError"
}

/** Bytes in the making. */
export class Out {
  private bytes: Buffer
  private end = 0

  /** More room is made when it is needed. */
  constructor(size = 256) {
    this.bytes = Buffer.allocUnsafe(size)
    this.version()
  }

  /** Begins a record. */
  version(): this {
    return this.byte(version)
  }

  byte(value: number): this {
    const at = this.room(1)
    this.bytes[at] = value
    return this
  }

  number(value: number): this {
    const at = this.room(8)
    this.bytes.writeDoubleBE(value, at)
    return this
  }

  text(text: string): this {
    const length = Buffer.byteLength(text)
    const at = this.room(4 + length)
    this.bytes.writeUInt32BE(length, at)
    this.bytes.write(text, at + 4)
    return this
  }

  /** Another record, behind its length. Returns where it begins and ends. */
  nested(write: () => void): readonly [start: number, end: number] {
    const at = this.room(4)
    const start = this.end
    this.version()
    write()
    this.bytes.writeUInt32BE(this.end - start, at)
    return [start, this.end]
  }

  /** The last of a record: to its end. */
  rest(data: string | Uint8Array): this {
    const at = this.room(typeof data === "string" ? Buffer.byteLength(data) : data.length)
    if (typeof data === "string") this.bytes.write(data, at)
    else this.bytes.set(data, at)
    return this
  }

  /** All of it. Nothing is added after. */
  done(): Buffer {
    return this.bytes.subarray(0, this.end)
  }

  /** Where so many bytes go. May replace `bytes`, so ask it before. */
  private room(more: number): number {
    const at = this.end
    this.end += more
    if (this.end > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * this.bytes.length, this.end))
      this.bytes.copy(larger, 0, 0, at)
      this.bytes = larger
    }
    return at
  }
}

/** Bytes being read. */
export class In {
  private at = 1
  private readonly bytes: Buffer

  constructor(bytes: Buffer) {
    this.bytes = bytes
    if (bytes[0] !== version) throw new RecordError(`a record of version ${bytes[0]}, known is ${version}`)
  }

  private take(length: number): number {
    const at = this.at
    this.at += length
    if (this.at > this.bytes.length) throw new RecordError(`a record of ${this.bytes.length} bytes is cut off`)
    return at
  }

  byte(): number {
    return this.bytes[this.take(1)]!
  }

  number(): number {
    return this.bytes.readDoubleBE(this.take(8))
  }

  text(): string {
    const length = this.bytes.readUInt32BE(this.take(4))
    const at = this.take(length)
    return this.bytes.toString("utf8", at, at + length)
  }

  nested(): Buffer {
    const length = this.bytes.readUInt32BE(this.take(4))
    const at = this.take(length)
    return this.bytes.subarray(at, at + length)
  }

  rest(): Buffer {
    return this.bytes.subarray(this.at)
  }

  get isAtEnd(): boolean {
    return this.at === this.bytes.length
  }
}
