/** What the API answers: the types of its own schemas. */
import type { InferOutput } from "valibot";
import type * as schemas from "../../api/answers.js";

export type Session = InferOutput<typeof schemas.session>;
export type Look = InferOutput<typeof schemas.look>;
export type Status = InferOutput<typeof schemas.status>;
export type TableStatus = InferOutput<typeof schemas.tableStatus>;
export type Interval = TableStatus["intervals"][number];
export type Coverage = InferOutput<typeof schemas.coverage>;
export type Points = InferOutput<typeof schemas.points>;
export type Point = Points["points"][number];
export type Pins = InferOutput<typeof schemas.pins>;
export type Marks = InferOutput<typeof schemas.marks>;
export type Alarms = InferOutput<typeof schemas.alarms>;
export type Drills = InferOutput<typeof schemas.drills>;
export type Verifications = InferOutput<typeof schemas.verifications>;
export type Processes = InferOutput<typeof schemas.processes>;
export type Stores = InferOutput<typeof schemas.stores>;
export type Diff = InferOutput<typeof schemas.diff>;
export type DocumentThen = InferOutput<typeof schemas.documentThen>;
export type History = InferOutput<typeof schemas.history>;
export type Recovery = InferOutput<typeof schemas.recovery>;
export type Recoveries = InferOutput<typeof schemas.recoveries>;
export type RecoveryEvent = InferOutput<typeof schemas.event>;
export type Audit = InferOutput<typeof schemas.audit>;
export type TableDetails = InferOutput<typeof schemas.tableDetails>;
export type TableReads = InferOutput<typeof schemas.tableReads>;
