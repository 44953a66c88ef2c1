import { randomBytes } from "node:crypto";
import { connect, type OnReadOpts, type Socket, type TcpNetConnectOpts } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { type Clock, systemClock, withTimeout } from "../clock.js";
import { type ErrorCode, messageOf, ThinkbackError } from "../errors.js";
import { type Address, formatAddress } from "./address.js";
import { HandshakeRefused, type Messages, shakeHands } from "./handshake.js";
import { EndedAfterTls, tlsHint, tlsOptions } from "./tls.js";

/** An authenticated byte pipe to a server: what remains of a connection after its handshake. */
export interface Channel {
  write(bytes: Buffer): void;
  /** Set once, before anything is written. The bytes are valid until the listener returns. */
  onData(listener: (bytes: Buffer) => void): void;
  /** Called once, when the pipe is gone, whoever closed it. */
  onClose(listener: (error: Error) => void): void;
  destroy(): void;
  /** The address of its server; undefined where there is no other to connect to. */
  readonly where?: string;
  /** Notes that its server is in trouble: the next channel is opened to another one first. */
  blame?(): void;
  /** Notes that its server is to be used from now on. */
  prefer?(): void;
}

/** Which servers will do for a channel; without it, the one in use, or the next that answers. */
export interface DialOptions {
  /** The addresses of servers that will not do. */
  avoid?: readonly string[];
  /** The address of the only server that will do. */
  only?: string;
}

/**
 * Opens channels to a server of the cluster, whichever answers. Rejects if none that will do answers. Where only one
 * server is known, that one will do.
 */
export type Dial = (options?: DialOptions) => Promise<Channel>;

/** How long a server may take to accept a connection. */
export const connectMsMax = 10_000;
/** What is taken from the socket at once. */
const readBytesMax = 64 * 1024;
/** The server's messages of a handshake are some hundred bytes; what sends more is no RethinkDB. */
const handshakeBytesMax = 16 * 1024;

/** What an error is called: the server is our source, or our target. */
export type Role = Extract<ErrorCode, "source" | "target">;

/** Opens channels to one server. */
export function dialer(address: Address, role: Role, clock: Clock = systemClock): Dial {
  return () => connectTo(address, role, clock);
}

/** Opens a channel. Rejects with an error for people, also if the server does not accept it within `msMax`. */
export async function connectTo(
  address: Address,
  role: Role,
  clock: Clock,
  msMax = connectMsMax,
): Promise<Channel> {
  try {
    return await openChannel(address, clock, msMax);
  } catch (error) {
    throw explain(error, address, role);
  }
}

async function openChannel(address: Address, clock: Clock, msMax: number): Promise<Channel> {
  const { host, port, tls } = address;
  const secure = tls ? await tlsOptions(tls, host) : undefined;
  const channel = new SocketChannel((onread) => {
    const options: ConnectionOptions & TcpNetConnectOpts = { ...secure, host, port, onread };
    return secure ? connectTls(options) : connect(options);
  });
  try {
    const nonce = randomBytes(18).toString("base64");
    const shaking = shakeHands(new HandshakeMessages(channel), address, nonce);
    await withTimeout(clock, msMax, shaking, () => new Error("it does not answer"));
    return channel;
  } catch (error) {
    channel.destroy();
    throw secure && channel.endedAfterTls ? new EndedAfterTls(messageOf(error)) : error;
  }
}

/**
 * All is read into one buffer: read as stream events, every 64 KiB would come in memory of their own, and what a copy
 * of a table leaves behind would be collected again and again.
 */
class SocketChannel implements Channel {
  private readonly socket: Socket;
  private listener: (bytes: Buffer) => void = () => undefined;
  private lastError: Error | undefined;
  private isSecure = false;
  private isDestroyed = false;
  private isEndedByServer = false;

  constructor(open: (onread: OnReadOpts) => Socket) {
    const buffer = Buffer.allocUnsafeSlow(readBytesMax);
    const callback = (length: number) => {
      this.listener(buffer.subarray(0, length));
      return true;
    };
    this.socket = open({ buffer, callback });
    this.socket.setNoDelay();
    this.socket.setKeepAlive(true);
    this.socket.on("error", (error) => {
      this.lastError = error;
    });
    this.socket.once("secureConnect", () => {
      this.isSecure = true;
    });
    this.socket.once("close", () => {
      this.isEndedByServer = !this.isDestroyed;
    });
  }

  /** True if the server ended the connection when it was secure on this side. */
  get endedAfterTls(): boolean {
    return this.isSecure && this.isEndedByServer;
  }

  write(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  onData(listener: (bytes: Buffer) => void): void {
    this.listener = listener;
  }

  onClose(listener: (error: Error) => void): void {
    this.socket.once("close", () =>
      listener(this.lastError ?? new Error("the server closed the connection")),
    );
  }

  destroy(): void {
    this.isDestroyed = true;
    this.socket.destroy();
  }
}

/** Cuts what comes into messages. */
class HandshakeMessages implements Messages {
  private received = Buffer.alloc(0);
  private lost: Error | undefined;
  private wake: () => void = () => undefined;

  constructor(private readonly channel: Channel) {
    channel.onData((bytes) => {
      this.received = Buffer.concat([this.received, bytes]);
      if (this.received.length > handshakeBytesMax) {
        this.lost = new Error("it does not speak as RethinkDB");
        channel.destroy();
      }
      this.wake();
    });
    channel.onClose((error) => {
      this.lost ??= error;
      this.wake();
    });
  }

  send(bytes: Buffer): void {
    this.channel.write(bytes);
  }

  async next(): Promise<string> {
    for (;;) {
      const end = this.received.indexOf(0);
      if (end !== -1) {
        const message = this.received.toString("utf8", 0, end);
        this.received = this.received.subarray(end + 1);
        return message;
      }
      if (this.lost) throw this.lost;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}

function explain(error: unknown, address: Address, code: Role): Error {
  const where = formatAddress(address);
  // Where a name has several addresses, the error of all of them has no message, but a code.
  const { code: errno } = error as NodeJS.ErrnoException;
  // OpenSSL's messages go on with a dump of its own.
  const message = messageOf(error).split("\n")[0]!.trim() || String(errno);
  if (error instanceof HandshakeRefused && error.isAuthentication) {
    return new ThinkbackError(code, `${where} refused the user or password: ${message}`, {
      hint: `check the user, and the password: it stands in the URL, in THINKBACK_${code.toUpperCase()}_PASSWORD, or in the file of --password-file or THINKBACK_${code.toUpperCase()}_PASSWORD_FILE`,
    });
  }
  const hint = tlsHint(error, address) ?? reachHint(address, errno);
  return new ThinkbackError(code, `cannot connect to ${where}: ${message}`, { hint, cause: error });
}

function reachHint({ tls }: Address, errno: string | undefined): string {
  const reach =
    "check that the server runs and that its driver port (28015 unless changed) can be reached";
  if (tls) return `${reach}, and that it speaks TLS there`;
  return errno === undefined ? `${reach}; if it speaks TLS there, add ?tls=true` : reach;
}
