const headerBytes = 12;
/** The longest body that a server sends. A longer one means that we have lost our place in the stream. */
const bodyBytesMax = 0xffff_fff0;

/** At most so many bodies that were given back are kept for later frames, and none larger than `keptBodyBytesMax`. */
const keptBodiesMax = 3;
const keptBodyBytesMax = 4 * 1024 * 1024;
const smallestBodyBytes = 4096;

/** Puts frames together from chunks of bytes. Each body is copied once, into a buffer of its own. */
export class FrameReader {
  private readonly kept: Buffer[] = [];
  private readonly header = Buffer.alloc(headerBytes);
  private headerFilled = 0;
  private body: Buffer | undefined;
  private bodyFilled = 0;

  /** @param onFrame called with the token and body of each complete frame; it may keep the body */
  constructor(private readonly onFrame: (token: number, body: Buffer) => void) {}

  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      at = this.body ? this.fillBody(this.body, bytes, at) : this.fillHeader(bytes, at);
    }
  }

  /** Takes back a body that is not needed any more; a later body will overwrite it. */
  recycle(body: Buffer): void {
    const { buffer } = body;
    if (this.kept.length === keptBodiesMax || buffer.byteLength > keptBodyBytesMax) return;
    this.kept.push(Buffer.from(buffer as ArrayBuffer));
  }

  private takeBody(length: number): Buffer {
    for (let kept = this.kept.pop(); kept; kept = this.kept.pop()) {
      if (kept.length >= length) return kept.subarray(0, length);
    }
    // Rounded up, so that the buffer also fits another body of about this length.
    let capacity = smallestBodyBytes;
    while (capacity < length) capacity *= 2;
    return Buffer.allocUnsafeSlow(capacity).subarray(0, length);
  }

  private fillHeader(bytes: Buffer, at: number): number {
    const taken = bytes.copy(this.header, this.headerFilled, at);
    this.headerFilled += taken;
    if (this.headerFilled === headerBytes) {
      const length = this.header.readUInt32LE(8);
      if (length > bodyBytesMax) throw new Error("frame too long");
      this.body = this.takeBody(length);
      this.bodyFilled = 0;
    }
    return at + taken;
  }

  private fillBody(body: Buffer, bytes: Buffer, at: number): number {
    const taken = bytes.copy(body, this.bodyFilled, at);
    this.bodyFilled += taken;
    if (this.bodyFilled === body.length) {
      const token = Number(this.header.readBigUInt64LE(0));
      this.headerFilled = 0;
      this.body = undefined;
      this.onFrame(token, body);
    }
    return at + taken;
  }
}
