/** Every route of the documentation. */
import { Client } from "pg";
import { addPerson } from "../../e2e/crm.ts";
import type { System } from "../../e2e/system.ts";
import type { Random } from "../../harness/random.ts";
import type { Findings } from "../findings.ts";
import { Connections } from "../http.ts";
import { makeRequest, operationsOf, type Ids } from "../requests.ts";

export interface HttpFuzz {
  system: System;
  databaseUrl: string;
  /** What tokens are signed with. */
  secret: string;
  random: Random;
  count: number;
  findings: Findings;
  tell(line: string): void;
}

const atOnce = 32;

export async function fuzzHttp({
  system,
  databaseUrl,
  secret,
  random,
  count,
  findings,
  tell,
}: HttpFuzz): Promise<void> {
  const { text } = await system.call("/openapi.json");
  const operations = operationsOf(JSON.parse(text));
  const db = new Client({ connectionString: databaseUrl });
  await db.connect();
  const ids: Ids = { tokens: await tokensOf(system, db, secret), known: await knownIds(system) };
  tell(`${operations.length} operations, ${count} requests …`);
  const statuses = new Map<number, number>();
  const connections = new Connections(system.port);
  let sent = 0;
  const one = async () => {
    while (sent < count) {
      sent++;
      if (sent % Math.ceil(count / 10) === 0) tell(`${sent} requests`);
      const request = makeRequest(operations, ids, random);
      const outcome = await connections.exchange(request.bytes, request.answers);
      for (const status of outcome.statuses) statuses.set(status, (statuses.get(status) ?? 0) + 1);
      const broken = outcome.statuses.find((status) => status >= 500 && status !== 503);
      if (broken !== undefined) findings.add(String(broken), request.what.replace(/,.*/s, ""), request.bytes);
      if (outcome.overdue) findings.add("no answer", request.what.replace(/,.*/s, ""), request.bytes);
      if (request.answers > 0 && outcome.closed && outcome.statuses.length === 0)
        findings.add("closed without an answer", request.what.replace(/,.*/s, ""), request.bytes);
      // What was changed about the people who ask is put right: else soon nobody may do anything.
      if (sent % 500 === 0) await db.query("UPDATE users SET is_active = TRUE, role = 'admin', token_version = 1");
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  connections.close();
  await db.end();
  tell(
    `answers: ${[...statuses]
      .toSorted(([a], [b]) => a - b)
      .map(([status, times]) => `${status}: ${times}`)
      .join(", ")}`,
  );
}

/** Mostly those that open doors: an admin's of the mail API, and one of the CRM. */
async function tokensOf(system: System, db: Client, secret: string): Promise<[string, ...string[]]> {
  const { token: crm } = await addPerson(db, secret, "admin");
  const { token: mail } = system;
  return [mail, mail, mail, crm, crm, crm, `${mail.slice(0, -2)}AA`];
}

async function knownIds(system: System): Promise<[string, ...string[]]> {
  const mails = await Promise.all(Array.from({ length: 5 }, () => system.accept()));
  return ["1", "2", "3", ...mails];
}
