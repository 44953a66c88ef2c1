import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FrameReader } from "../../src/rethinkdb/frame-reader.js";
import { frameOf } from "./scripted-channel.js";

/** What the test does with a body: keep it for good, or give it back. */
const fate = fc.constantFrom("kept", "recycled");
const frames = fc.array(
  fc.record({
    token: fc.nat(),
    length: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 20_000 })),
    fate,
  }),
  { maxLength: 12 },
);

describe("FrameReader", () => {
  test("delivers every frame whole, however it is cut, and leaves alone what was not given back", () => {
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 9000 })), (all, cuts) => {
        const bodies = all.map(({ length }, i) => Buffer.alloc(length, i + 1));
        const wire = Buffer.concat(all.map(({ token }, i) => frameOf(token, bodies[i]!)));
        const kept: { body: Buffer; as: Buffer }[] = [];
        let seen = 0;
        const reader = new FrameReader((token, body) => {
          const given = all[seen]!;
          expect([token, body.equals(bodies[seen]!)]).toEqual([given.token, true]);
          if (given.fate === "kept") kept.push({ body, as: bodies[seen]! });
          else reader.recycle(body);
          seen += 1;
        });
        for (let at = 0, i = 0; at < wire.length; i += 1) {
          const cut = cuts[i % Math.max(1, cuts.length)] ?? wire.length;
          reader.push(wire.subarray(at, at + cut));
          at += cut;
        }
        expect(seen).toBe(all.length);
        for (const { body, as } of kept) expect(body.equals(as)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("uses the memory of a frame that was given back for one that is not longer", () => {
    const bodies: Buffer[] = [];
    const reader = new FrameReader((_, body) => bodies.push(body));
    const push = (length: number) => reader.push(frameOf(1, Buffer.alloc(length)));
    push(5000);
    reader.recycle(bodies[0]!);
    push(4000);
    push(4000);
    expect(bodies[1]!.buffer).toBe(bodies[0]!.buffer);
    expect(bodies[2]!.buffer).not.toBe(bodies[0]!.buffer);
  });

  test("keeps no memory of a frame that is much larger than the usual", () => {
    const bodies: Buffer[] = [];
    const reader = new FrameReader((_, body) => bodies.push(body));
    reader.push(frameOf(1, Buffer.alloc(5 * 1024 * 1024)));
    reader.recycle(bodies[0]!);
    reader.push(frameOf(1, Buffer.alloc(10)));
    expect(bodies[1]!.buffer).not.toBe(bodies[0]!.buffer);
  });
});
