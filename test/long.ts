/** Why a test that takes minutes, and a machine that does nothing else, is not run now; undefined with `npm run test:long`. */
export const whyNotLong =
  process.env["THINKBACK_LONG"] === undefined ? "it is run by npm run test:long" : undefined;
