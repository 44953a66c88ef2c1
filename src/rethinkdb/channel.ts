import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";
import type { ConnectOptions } from "rethinkdb";
import driverConnections from "rethinkdb/net.js";
import { type ErrorCode, messageOf, ThinkbackError } from "../errors.js";
import { type Address, formatAddress } from "./address.js";

/** An authenticated byte pipe to a server: what remains of a connection after its handshake. */
export interface Channel {
  write(bytes: Buffer): void;
  /** Set once, before anything is written. */
  onData(listener: (bytes: Buffer) => void): void;
  /** Called once, when the pipe is gone, whoever closed it. */
  onClose(listener: (error: Error) => void): void;
  destroy(): void;
}

/** Opens channels to one server. */
export type Dial = () => Promise<Channel>;

const { TcpConnection } = driverConnections;
const connectTimeoutSeconds = 10;

/**
 * Dials with the official driver, which does the handshake, authentication and TLS; from then on the socket is ours,
 * because the driver's cursors turn each document into an object and halve the server's rate.
 * @param code what an error is called: the server is our source, or our target
 */
export function dialer(address: Address, code: Extract<ErrorCode, "source" | "target">): Dial {
  return async () => {
    try {
      const ssl = address.tls ? await tlsOptions(address) : undefined;
      const { host, port, user, password } = address;
      const timeout = connectTimeoutSeconds;
      return takeSocket(
        await handshake({ host, port, user, password, timeout, ...(ssl ? { ssl } : {}) }),
      );
    } catch (error) {
      throw explain(error, address, code);
    }
  };
}

/**
 * The driver's connection class, used directly: `connect` of the driver leaves a timer behind when the server refuses
 * the user, whose late "error" event nobody hears, and that ends the process.
 */
function handshake(options: ConnectOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const connection = new TcpConnection(options, (error) => {
      if (error) reject(error);
      else resolve(connection.rawSocket);
    });
    connection.on("error", () => connection.rawSocket.destroy());
  });
}

async function tlsOptions(address: Address): Promise<{ ca?: Buffer; servername?: string }> {
  return address.caFile === undefined ? {} : { ca: await readFile(address.caFile) };
}

function takeSocket(socket: Socket): Channel {
  for (const event of ["data", "close", "error", "end", "timeout"])
    socket.removeAllListeners(event);
  let lastError: Error | undefined;
  socket.on("error", (error) => {
    lastError = error;
  });
  return {
    write: (bytes) => void socket.write(bytes),
    onData: (listener) => void socket.on("data", listener),
    onClose: (listener) =>
      void socket.once("close", () =>
        listener(lastError ?? new Error("the server closed the connection")),
      ),
    destroy: () => void socket.destroy(),
  };
}

function explain(error: unknown, address: Address, code: "source" | "target"): Error {
  const where = formatAddress(address);
  // The driver's messages may quote the handshake; only their first line is of use.
  const message = messageOf(error).split("\n")[0]!;
  if ((error as Error | null)?.name === "ReqlAuthError") {
    return new ThinkbackError(code, `${where} refused the user or password: ${message}`, {
      hint: `check the user, and the password in the URL or in THINKBACK_${code.toUpperCase()}_PASSWORD`,
    });
  }
  return new ThinkbackError(code, `cannot connect to ${where}: ${message}`, {
    hint: "check that the server runs and that its driver port (28015 unless changed) can be reached",
    cause: error,
  });
}
