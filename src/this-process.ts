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
