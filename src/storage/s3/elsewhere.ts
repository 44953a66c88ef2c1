/** What has to be known of a location to open it on another machine. */
import { parseS3Location } from "./location.js";

type Environment = Record<string, string | undefined>;

/** The location with what the environment adds to it, and what is needed besides, in words. */
export function s3Elsewhere(
  given: string,
  environment: Environment,
): { location: string; needs: string[] } {
  const { endpoint, region, profile, ca } = parseS3Location(given, environment);
  const own = new URLSearchParams(given.split("?")[1] ?? "");
  const regionSet = environment["AWS_REGION"] || environment["AWS_DEFAULT_REGION"];
  const added = Object.entries({ endpoint, region: region ?? (regionSet || undefined) })
    .filter(([name, value]) => value !== undefined && !own.has(name))
    .map(([name, value]) => `${name}=${value!.replaceAll(/[&#%\s]/g, encodeURIComponent)}`);
  const location = [given, added.join("&")].filter((part) => part !== "");
  const named = profile ?? environment["AWS_PROFILE"];
  const trusted = environment["NODE_EXTRA_CA_CERTS"];
  return {
    location: location.join(given.includes("?") ? "&" : "?"),
    needs: [
      named
        ? `the profile ${named} of ~/.aws, or other credentials that may list and read the bucket`
        : "credentials of the bucket, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
      ...(ca === undefined ? [] : [`the file with certificates that ca= names: ${ca}`]),
      ...(trusted ? [`the file with certificates that NODE_EXTRA_CA_CERTS names: ${trusted}`] : []),
    ],
  };
}
