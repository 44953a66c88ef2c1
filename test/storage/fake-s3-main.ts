/**
 * The fake S3 server as a process: `npx tsx test/storage/fake-s3-main.ts '{"delayMs":20}' '{"isVersioned":true}'`. The
 * first argument are its faults, the second its options. It prints the location of an empty place in its bucket, and
 * ends with SIGTERM or when its standard input ends.
 */
import { FakeS3, type FakeS3Options, type S3Faults } from "./fake-s3.js";

const [faults = "{}", options = "{}"] = process.argv.slice(2);
const fake = await FakeS3.start({ pageObjects: 1000, ...(JSON.parse(options) as FakeS3Options) });
Object.assign(fake.faults, JSON.parse(faults) as Partial<S3Faults>);
process.stdout.write(`${JSON.stringify({ port: fake.port, location: fake.at("place") })}\n`);
process.stdin.on("end", () => process.exit()).resume();
