import { hostname } from "node:os";

/** Who claims epochs and leases: this process, on this machine. */
export const thisProcess = {
  host: hostname(),
  process: process.pid,
  /** True if the process of this number runs on this machine. */
  isAlive: (pid: number): boolean => {
    try {
      process.kill(pid, 0);
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "EPERM";
    }
  },
};

/** Who claims. */
export interface Owner {
  host: string;
  process: number;
  /** True if that process of this host runs. */
  isAlive(process: number): boolean;
  /** Patterns of the tables that it captures, and does not; for who looks at the repository. */
  include?: string[];
  exclude?: string[];
  /** The longest tick that it makes. */
  tickMs?: number;
}
