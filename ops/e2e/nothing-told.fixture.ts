/** Secrets and content with a name and a value of their own, planted everywhere, and looked for in all that is told. */
import { randomBytes } from "node:crypto";
import { Client } from "pg";

export interface Plant {
  /** What it is, for the failure. */
  name: string;
  value: string;
  /** A secret is nowhere in clear; content is where it belongs, in the tables that hold it. */
  kind: "secret" | "content";
}

/** Where something was found that must not be there, with a little of what is around it. */
export interface Finding {
  plant: string;
  where: string;
  around: string;
}

export class Garden {
  readonly plants: Plant[] = [];

  /** Digits and letters that nothing else has. */
  secret(name: string): string {
    return this.known(name, `zq${randomBytes(10).toString("hex")}`);
  }

  content(name: string): string {
    return this.known(name, `zc${randomBytes(10).toString("hex")}`, "content");
  }

  /** Has a value of its own already. */
  known(name: string, value: string, kind: Plant["kind"] = "secret"): string {
    this.plants.push({ name, value, kind });
    return value;
  }

  /** Looks for plants in a text, as they are and as they may have been written there. */
  findIn(where: string, text: string, kinds: readonly Plant["kind"][] = ["secret", "content"]): Finding[] {
    const findings: Finding[] = [];
    for (const { name, value, kind } of this.plants) {
      if (!kinds.includes(kind)) continue;
      for (const form of formsOf(value)) {
        const at = text.indexOf(form);
        if (at < 0) continue;
        findings.push({ plant: `${kind} "${name}"`, where, around: text.slice(Math.max(0, at - 150), at + 60) });
        break;
      }
    }
    return findings;
  }
}

function formsOf(value: string): Set<string> {
  const bytes = Buffer.from(value);
  // A text within a longer one has another base64 at each of three places; its inner letters stay.
  const base64 = [0, 1, 2].map((shift) =>
    Buffer.concat([Buffer.alloc(shift), bytes])
      .toString("base64")
      .slice(4, -4),
  );
  const inner = base64.filter((form) => form.length >= 12);
  return new Set([
    value,
    encodeURIComponent(value),
    JSON.stringify(value).slice(1, -1),
    bytes.toString("hex"),
    ...inner,
  ]);
}

/** Every row of every table, as text: `{"public.mails": "…"}`. */
export async function dump(url: string): Promise<Map<string, string>> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      `SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name FROM pg_tables
       WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1`,
    );
    const texts = new Map<string, string>();
    for (const { name } of tables) {
      const { rows } = await client.query<{ rows: string | null }>(
        `SELECT string_agg(row::text, E'\n') AS rows FROM ${name} AS row`,
      );
      texts.set(name, rows[0]?.rows ?? "");
    }
    return texts;
  } finally {
    await client.end();
  }
}
