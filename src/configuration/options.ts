/**
 * Every option of every command, once; its parts stand in the files …-options.ts. The options of
 * the command line, the keys of the file, the environment variables and the table in docs/configuration.md are made of
 * this table. Where one flag means different things to different commands, each meaning is a row.
 */
import { alarming } from "./alarm-options.js";
import { capturing } from "./capture-options.js";
import { connections } from "./connection-options.js";
import { reporting } from "./evidence-options.js";
import { exchange } from "./exchange-options.js";
import { health } from "./health-options.js";
import { eachTime } from "./one-time-options.js";
import type { OptionRow } from "./option.js";
import { recoveries } from "./recoveries-options.js";
import { recovery } from "./recovery-options.js";
import { restoring } from "./restore-options.js";
import { sharing } from "./role-options.js";
import { seeing } from "./seeing-options.js";
import { serving } from "./service-options.js";
import { standing } from "./standby-options.js";
import { drills, maintenance, prices } from "./upkeep-options.js";

/** In the order in which help and documents list them. */
export const options: readonly OptionRow[] = [
  ...connections,
  ...sharing,
  ...capturing,
  ...maintenance,
  ...drills,
  ...prices,
  ...recovery,
  ...recoveries,
  ...restoring,
  ...seeing,
  ...exchange,
  ...standing,
  ...reporting,
  ...serving,
  ...health,
  ...alarming,
  ...eachTime,
];

/** The rows that a file may set. A key of several commands has several rows, which agree in all but their words. */
export const configurable = options.filter((row) => row.key !== undefined);
