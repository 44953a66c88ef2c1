/** Members in Redis: each has a key that expires, and all are listed in one set. */
import * as v from "valibot";
import { count, flag, list, ordinal, text } from "../format/fields.js";

const heardMember = v.strictObject({
  unique: text,
  host: text,
  process: count,
  /** Within which that number tells processes apart. */
  space: text,
  lanes: list(count),
  replaces: list(text),
  /** Greater each time that the process tells. It counts by itself: Redis may forget, or go back. */
  beat: ordinal,
  /** The number of its newest object under members/ in the repository. */
  number: count,
  /** The process has ended in order. */
  left: flag,
});

/** What a process tells the others by Redis. */
export type ToldMember = v.InferOutput<typeof heardMember>;

/** How members tell each other that they are there; may fail, forget, go back and lie. */
export interface MemberChannel {
  /**
   * Tells the others of this process, and gives what is there of all members. Rejects if it is not known to be told.
   * @param ttlMs after so long it is forgotten
   */
  tell(own: ToldMember, ttlMs: number): Promise<ToldMember[]>;
}

/** What MemberChannel needs of a client of Redis. */
export interface ScriptRunner {
  eval(script: string, keys: number, ...args: (string | number)[]): Promise<unknown>;
}

/**
 * Puts the own key, and gives the values of all members. Only the process itself puts its key, whose name is random and
 * its own; so nothing is compared before. A name without a key has expired.
 */
const tellScript = `
redis.call("SET", KEYS[2], ARGV[2], "PX", ARGV[3])
redis.call("SADD", KEYS[1], ARGV[1])
redis.call("PEXPIRE", KEYS[1], ARGV[3])
local values = {}
for _, unique in ipairs(redis.call("SMEMBERS", KEYS[1])) do
  local value = redis.call("GET", ARGV[4] .. unique)
  if value then
    values[#values + 1] = value
  else
    redis.call("SREM", KEYS[1], unique)
  end
end
return values
`;

export class RedisMembers implements MemberChannel {
  private readonly all: string;
  private readonly prefix: string;

  constructor(
    private readonly redis: ScriptRunner,
    repositoryId: string,
  ) {
    this.all = `thinkback:{${repositoryId}}:members`;
    this.prefix = `thinkback:{${repositoryId}}:member:`;
  }

  async tell(own: ToldMember, ttlMs: number): Promise<ToldMember[]> {
    const { all, prefix } = this;
    const { unique } = own;
    const value = JSON.stringify(own);
    const args = [all, prefix + unique, unique, value, ttlMs, prefix];
    const values = await this.redis.eval(tellScript, 2, ...args);
    return (values as unknown[]).flatMap(memberIn);
  }
}

/** What somebody else has put there is left out. */
function memberIn(value: unknown): ToldMember[] {
  try {
    const parsed = v.safeParse(heardMember, JSON.parse(String(value)));
    return parsed.success ? [parsed.output] : [];
  } catch {
    return [];
  }
}
