/** Policies of buckets, made of the table of the page: what each role creates and deletes. */

export interface Role {
  name: string;
  creates: string[];
  deletes: string[];
}

const code = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text!);

/** The roles of the table on the page. */
export function rolesOn(page: string): Role[] {
  const [, table] = /\| role \| creates \| deletes \|\n\|[-|]+\n((?:\|.*\n)+)/.exec(page)!;
  return table!
    .trim()
    .split("\n")
    .map((line) => line.split("|").slice(1, 4))
    .map(([name, creates, deletes]) => ({
      name: name!.trim(),
      creates: code(creates!),
      deletes: code(deletes!),
    }));
}

/** Below lanes lie the same names again. */
const objects = (prefixes: string[]) =>
  ["", "lanes/*/"].flatMap((lane) =>
    prefixes.map((prefix) => `${lane}${prefix}${prefix.endsWith("/") ? "*" : ""}`),
  );

/** A policy of S3 for the repository below `backup/` in the bucket `my-bucket`. */
export function s3Policy({ name: role, creates, deletes }: Role): object {
  const isLocking = creates.length > 0;
  // Maintenance renews the locks of everything that is kept.
  const locked = role === "maintenance" ? ["*"] : objects(creates);
  const arn = (name: string) => `arn:aws:s3:::my-bucket/backup/${name}`;
  const allow = (Sid: string, Action: string | string[], names: string[]) => ({
    Sid,
    Effect: "Allow",
    Action,
    Resource: names.map(arn),
  });
  return {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "List",
        Effect: "Allow",
        Action: "s3:ListBucket",
        Resource: "arn:aws:s3:::my-bucket",
        Condition: { StringLike: { "s3:prefix": "backup/*" } },
      },
      allow("Read", "s3:GetObject", ["*"]),
      allow("Create", "s3:PutObject", objects(creates)),
      ...(isLocking
        ? [allow("Lock", ["s3:PutObjectRetention", "s3:GetObjectRetention"], locked)]
        : []),
      ...(deletes.length > 0 ? [allow("Delete", "s3:DeleteObject", objects(deletes))] : []),
    ],
  };
}

export function policies(page: string): string {
  const roles = rolesOn(page);
  const ofS3 = roles.map(
    (role) => `#### ${role.name}\n\n\`\`\`json\n${JSON.stringify(s3Policy(role), null, 2)}\n\`\`\``,
  );
  const rows = roles.map(({ name, deletes }) => {
    const gcs = ["storage.objects.list", "storage.objects.get", "storage.objects.create"];
    const azure = ["blobs/read", "blobs/add/action", "blobs/write"];
    if (deletes.length > 0) {
      gcs.push("storage.objects.delete");
      azure.push("blobs/delete");
    }
    const coded = (all: string[]) => all.map((one) => `\`${one}\``).join(", ");
    return `| ${name} | ${coded(gcs)} | ${coded(azure)} |`;
  });
  return [
    "### S3",
    ...ofS3,
    "### Google Cloud Storage and Azure",
    [
      "Make a role of your own of these permissions, and bind it to the bucket or container. A condition on the names",
      "(`resource.name.startsWith(…)`, `@Resource[…blobs:path]`) narrows it to what the table above says. In Azure, each action",
      "begins with `Microsoft.Storage/storageAccounts/blobServices/containers/`. `blobs/write` also overwrites, which",
      "Thinkback never asks for.",
    ].join("\n"),
    ["| role | Google Cloud Storage | Azure, data actions |", "|---|---|---|", ...rows].join("\n"),
  ].join("\n\n");
}
