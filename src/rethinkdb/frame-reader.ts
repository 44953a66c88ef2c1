const headerBytes = 12;
/** A server never sends more; a longer frame means that we have lost our place. */
const bodyBytesMax = 0xffff_fff0;

/** Puts frames together from chunks of bytes. Each body is copied once, into a buffer of its own. */
export class FrameReader {
  private readonly header = Buffer.alloc(headerBytes);
  private headerFilled = 0;
  private body: Buffer | undefined;
  private bodyFilled = 0;

  /** @param onFrame called with each token and body as it is complete; the body is the callee's to keep */
  constructor(private readonly onFrame: (token: number, body: Buffer) => void) {}

  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      at = this.body ? this.fillBody(this.body, bytes, at) : this.fillHeader(bytes, at);
    }
  }

  private fillHeader(bytes: Buffer, at: number): number {
    const taken = bytes.copy(this.header, this.headerFilled, at);
    this.headerFilled += taken;
    if (this.headerFilled === headerBytes) {
      const length = this.header.readUInt32LE(8);
      if (length > bodyBytesMax) throw new Error("frame too long");
      this.body = Buffer.allocUnsafeSlow(length);
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
