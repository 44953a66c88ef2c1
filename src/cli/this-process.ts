import { hostname } from "node:os";
import type { Owner } from "../repository/claim.js";

/** Who claims epochs and leases: this process, on this machine. */
export const thisProcess: Owner = {
  host: hostname(),
  process: process.pid,
  isAlive: (pid) => {
    try {
      process.kill(pid, 0);
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "EPERM";
    }
  },
};
