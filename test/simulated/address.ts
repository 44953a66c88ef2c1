import type { Cluster } from "./cluster.js";
import type { Link } from "./link.js";

/**
 * An address that leads to one cluster after the other, as when servers are exchanged or a load balancer changes its
 * mind. What is connected stays connected to where it led when it was opened.
 */
export class Address {
  #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  leadTo(cluster: Cluster): void {
    this.#cluster = cluster;
  }

  /** @throws {ConnectionRefused} as the cluster does that it leads to */
  open(credentials: { user?: string; password?: string } = {}): Link {
    return this.#cluster.open(credentials);
  }
}
