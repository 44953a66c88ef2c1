/**
 * Which server of a cluster to connect to: the one in use, as long as it answers; then the next one, at once. A server
 * that failed rests, each time longer, and is tried before its time only if all others fail too.
 */
import type { Clock } from "../clock.js";
import { messageOf, ThinkbackError } from "../errors.js";
import { type Address, formatAddress } from "./address.js";
import { type Channel, connectMsMax, connectTo, type Dial, type Role } from "./channel.js";

/** How long a server may take to accept a connection while there are others to try. */
const nextMs = 3000;
/** How long a server rests that failed: twice as long each time. */
const restFirstMs = 1000;
const restLastMs = 60_000;

interface Server {
  address: Address;
  /** For messages. */
  where: string;
  /** How often in a row it failed. */
  failures: number;
  /** It rests until then, by the monotonic clock. */
  restsUntilMs: number;
}

/**
 * Opens channels to whichever server answers.
 * @param addresses of at least one server
 * @param onServer told the address when channels are opened to another server than before
 */
export function clusterDialer(
  addresses: readonly Address[],
  role: Role,
  clock: Clock,
  onServer: (where: string) => void = () => undefined,
): Dial {
  return new Servers(addresses, role, clock, onServer).dial;
}

class Servers {
  private readonly servers: Server[];
  private last: Server | undefined;

  constructor(
    addresses: readonly Address[],
    private readonly role: Role,
    private readonly clock: Clock,
    private readonly onServer: (where: string) => void,
  ) {
    this.servers = addresses.map((address) => {
      return { address, where: formatAddress(address), failures: 0, restsUntilMs: 0 };
    });
  }

  readonly dial: Dial = async ({ avoid = [], only } = {}) => {
    const isFree = avoid.length === 0 && only === undefined;
    const candidates = this.inOrder().filter(
      ({ where }) => !avoid.includes(where) && (only === undefined || where === only),
    );
    const failed: { where: string; error: Error }[] = [];
    for (const [at, server] of candidates.entries()) {
      const msMax = at < candidates.length - 1 ? nextMs : connectMsMax;
      try {
        const channel = await connectTo(server.address, this.role, this.clock, msMax);
        if (isFree) this.use(server);
        return new WatchedChannel(channel, server.where, {
          noteFailure: () => this.noteFailure(server),
          use: () => this.use(server),
        });
      } catch (error) {
        this.noteFailure(server);
        failed.push({ where: server.where, error: error as Error });
      }
    }
    throw failed.length === 1 ? failed[0]!.error : noneAnswers(failed, this.role);
  };

  /** The server in use first, unless it rests; then the others; those that rest last, the soonest rested first. */
  private inOrder(): Server[] {
    const now = this.clock.monotonicMs();
    const at = this.last ? this.servers.indexOf(this.last) : 0;
    const fromLast = [...this.servers.slice(at), ...this.servers.slice(0, at)];
    const isResting = ({ restsUntilMs }: Server) => restsUntilMs > now;
    const resting = fromLast.filter(isResting).sort((a, b) => a.restsUntilMs - b.restsUntilMs);
    return [...fromLast.filter((server) => !isResting(server)), ...resting];
  }

  private use(server: Server): void {
    server.restsUntilMs = Math.min(server.restsUntilMs, this.clock.monotonicMs());
    if (this.last !== server) this.onServer(server.where);
    this.last = server;
  }

  private noteFailure(server: Server): void {
    const now = this.clock.monotonicMs();
    // All connections to a server that dies are lost at once: that is one failure.
    if (server.restsUntilMs > now) return;
    const isLongAgo = now - server.restsUntilMs > restLastMs;
    server.failures = isLongAgo ? 1 : server.failures + 1;
    server.restsUntilMs = now + Math.min(restLastMs, restFirstMs * 2 ** (server.failures - 1));
  }
}

/** A channel whose server is noted to have failed when the channel is gone and nobody here has closed it. */
class WatchedChannel implements Channel {
  private isClosed = false;

  constructor(
    private readonly channel: Channel,
    readonly where: string,
    private readonly server: { noteFailure(): void; use(): void },
  ) {}

  write(bytes: Buffer): void {
    this.channel.write(bytes);
  }

  onData(listener: (bytes: Buffer) => void): void {
    this.channel.onData(listener);
  }

  onClose(listener: (error: Error) => void): void {
    this.channel.onClose((error) => {
      if (!this.isClosed) this.server.noteFailure();
      listener(error);
    });
  }

  destroy(): void {
    this.isClosed = true;
    this.channel.destroy();
  }

  blame(): void {
    this.server.noteFailure();
  }

  prefer(): void {
    this.server.use();
  }
}

function noneAnswers(failed: { where: string; error: Error }[], role: Role): ThinkbackError {
  if (failed.length === 0)
    return new ThinkbackError(role, "there is no other server to connect to");
  const reasons = failed.map(({ error }) => messageOf(error)).join("; ");
  const [cause] = failed.map(({ error }) => error);
  return new ThinkbackError(role, `none of ${failed.length} servers answers: ${reasons}`, {
    ...(cause instanceof ThinkbackError && cause.hint !== undefined ? { hint: cause.hint } : {}),
    cause,
  });
}
