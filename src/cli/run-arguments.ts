/** The arguments of `thinkback run`. */
import type { Configured } from "./configured.js";
import type { SourceArguments } from "./connect.js";
import type { MaintainArguments } from "./maintain.js";

export interface RunArguments extends MaintainArguments, SourceArguments, Configured {
  /** False if --no-fold is given. */
  fold: boolean;
  /** Absent: every five minutes, or every half an hour in a store that charges for requests. */
  maintainEvery?: string;
  drillAt?: string;
  drillTarget?: string;
  drillTargetFile?: string;
  expect?: string;
  include: string[];
  exclude: string[];
  tick: string;
  tickMax?: string;
  once?: boolean;
  copies: string;
  spool?: string;
  spoolLimit: string;
  takeOver?: boolean;
  standby?: boolean;
  acceptCluster?: boolean;
  forgetServer: string[];
  trustClock?: boolean;
  logLevel: string;
}
