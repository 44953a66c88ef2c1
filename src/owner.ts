import { hostname } from "node:os";

/** This process on this machine, as the owner of epoch claims and leases. */
export const thisProcess = {
  host: hostname(),
  process: process.pid,
  /** True if a process with this id runs on this machine. */
  isAlive: (pid: number): boolean => {
    try {
      process.kill(pid, 0);
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "EPERM";
    }
  },
};

/** The process that makes an epoch claim or holds a lease. */
export interface Owner {
  host: string;
  process: number;
  /** True if a process with this id runs on this host. */
  isAlive(process: number): boolean;
  /** Patterns of the tables that it captures, and of those that it does not; `thinkback status` shows them. */
  include?: string[];
  exclude?: string[];
  /** A word that no other claim has; a random one if absent. */
  unique?: string;
  /** The longest tick that it makes, in ms. */
  tickMs?: number;
}
