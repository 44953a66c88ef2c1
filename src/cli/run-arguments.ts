/** The arguments of `thinkback run`. */
import type { AlarmArguments } from "./alarm-arguments.js";
import type { Configured } from "./configured.js";
import type { SourceArguments } from "./connect.js";
import type { MaintainArguments } from "./maintain.js";
import type { RedisArguments } from "./redis-at.js";

/** The options of `run` that are about the API. */
export interface ApiArguments {
  /** A port, or host and port. */
  api?: string;
  apiHost: string[];
  apiCert?: string;
  apiKey?: string;
  apiInsecure?: boolean;
}

export interface RunArguments
  extends MaintainArguments,
    SourceArguments,
    RedisArguments,
    Configured,
    ApiArguments,
    AlarmArguments {
  /** What the process does, such as `capture,fold`. */
  role: string;
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
  /** Carry out the recoveries that are requested in the repository. */
  recoveries?: boolean;
  /** `name=file` each. */
  recoveryTarget: string[];
  logLevel: string;
  metrics?: string;
  heartbeatUrl?: string;
  heartbeatUrlFile?: string;
}
