import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";
import type { Cluster } from "./cluster.js";
import { Handshake } from "./handshake.js";

/** The cluster's driver port on the loopback interface. */
export class TcpListener {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  private constructor(server: Server, sockets: Set<Socket>) {
    this.#server = server;
    this.#sockets = sockets;
    this.port = (server.address() as AddressInfo).port;
  }

  /** @param port 0 takes a free one */
  static listen(cluster: Cluster, port = 0): Promise<TcpListener> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      accept(cluster, socket);
    });
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", () => resolve(new TcpListener(server, sockets)));
    });
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve, reject) => {
      this.#server.close((error) => (error ? reject(error) : resolve()));
    });
  }
}

function accept(cluster: Cluster, socket: Socket): void {
  // A reset connection gives an error before its close; the close is what ends the session.
  socket.on("error", () => socket.destroy());
  if (!cluster.accepting) {
    socket.destroy();
    return;
  }
  socket.setNoDelay(true);
  const handshake = new Handshake((name) => cluster.findUser(name), cluster.random);
  const onData = (bytes: Buffer): void => {
    const { reply, done } = handshake.receive(bytes);
    if (reply !== "") socket.write(reply);
    if (!done) return;
    socket.off("data", onData);
    if (done.user === undefined) socket.end();
    else serve(cluster, socket, done.user, done.rest);
  };
  socket.on("data", onData);
}

function serve(cluster: Cluster, socket: Socket, user: string, early: Buffer): void {
  const link = cluster.connect(user, true);
  link.onData((bytes) => void socket.write(bytes));
  link.onClose(() => socket.destroy());
  socket.on("data", (bytes) => link.send(bytes));
  socket.on("close", () => link.destroy());
  if (early.length > 0) link.send(early);
}
