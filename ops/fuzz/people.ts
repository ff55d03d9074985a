/** Who asks: clients of the mail API and users of the CRM, with tokens that hold, and tokens that do not. */
import { Client } from "pg";
import { addPerson, type CrmPerson } from "../e2e/crm.ts";
import type { System } from "../e2e/system.ts";
import type { Random } from "../harness/random.ts";
import { signToken } from "../../lib/crm/access.ts";
import { openSigningKey } from "../../lib/resources/signing-key.ts";
import { systemClock } from "../../runtime/host/call.ts";
import type { House } from "./house.ts";
import type { Known } from "./known.ts";
import type { Operation } from "./operations.ts";
import type { SignIn } from "./smtp.ts";

export interface People {
  /** Who changes passwords: theirs are put right again. */
  readonly own: readonly [CrmPerson, ...CrmPerson[]];
  /** An Authorization header for an operation, and whether nobody may be let in with it. */
  headerFor(operation: Operation, random: Random): { header: string | undefined; isWrong: boolean };
  /** Has the guests of the PMS taken over. */
  synchronise(): Promise<void>;
  /** Undoes what requests did to the users that ask, and renews their tokens: an hour is shorter than a run. */
  putRight(): Promise<void>;
}

/** Of the users that ask: above all that come to be, so that no id that is made up is theirs. */
const firstId = 8_000_000;

export async function openPeople({
  db,
  known,
  secret,
  system,
}: {
  db: Client;
  known: Known;
  secret: string;
  system: System;
}): Promise<People> {
  await db.query("SELECT setval(pg_get_serial_sequence('users', 'id'), $1)", [firstId]);
  const admin = await addPerson(db, secret, "admin");
  const others = [await addPerson(db, secret, "marketing"), await addPerson(db, secret, "customer_service")] as const;
  const own: [CrmPerson, ...CrmPerson[]] = [await addPerson(db, secret, "admin")];
  for (let count = 1; count < 10; count++) own.push(await addPerson(db, secret, "marketing"));
  await db.query("SELECT setval(pg_get_serial_sequence('users', 'id'), 1)");
  const all = [admin, ...others, ...own];
  for (const { id } of all) known.spare("user", id);
  const { token_id: tokenId, client_id: clientId } = await ownToken(db, system.token);
  known.spare("token", tokenId);
  known.spare("token", clientId);
  known.spare("client", clientId);
  const { rows: before } = await db.query("SELECT id, role, password_hash FROM users WHERE id >= $1", [firstId]);
  const signingKey = await openSigningKey({ privateKey: undefined, secret, file: "" });

  const tokens = new Map<number, string>();
  const renew = () => {
    for (const { id, username, role } of all)
      tokens.set(id, signToken({ signingKey, clock: systemClock }, { userId: id, username, role, tokenVersion: 1 }));
  };
  renew();
  const crmToken = (random: Random, path: string): string => {
    const dice = random.between(0, 99);
    const person = path.endsWith("/auth/password") ? random.pick(own) : dice < 85 ? admin : random.pick(others);
    return tokens.get(person.id) ?? "";
  };
  const fitting = (access: "mail" | "crm", path: string, random: Random): string => {
    if (access === "crm") return crmToken(random, path);
    const issued = random.percent(8) ? known.pick("issued", random) : undefined;
    return issued === undefined ? system.token : String(issued);
  };
  return {
    own,
    headerFor({ access, path }, random) {
      const which = access === "anyone" ? random.pick(["mail", "crm"] as const) : access;
      const token = fitting(which, path, random);
      const dice = random.between(0, 99);
      if (dice < 92) return { header: `Bearer ${token}`, isWrong: false };
      const other = fitting(which === "mail" ? "crm" : "mail", path, random);
      const wrong = random.pick([
        undefined,
        "Basic YTpi",
        "Bearer",
        "Bearer  ",
        "bearer a.b.c",
        "\x80",
        token,
        `Bearer ${token} x`,
        `Bearer ${other}`,
        `Bearer ${flippedIn(token, random)}`,
        `Bearer ${token.split(".").slice(0, 2).join(".")}.`,
        `Bearer ${Buffer.from('{"alg":"none"}').toString("base64url")}.${token.split(".")[1] ?? ""}.`,
      ]);
      return { header: wrong, isWrong: access !== "anyone" };
    },
    async synchronise() {
      const token = tokens.get(admin.id) ?? null;
      const body = { sync_type: "members" };
      const { status, text } = await system.call("/api/v1/pms/sync", { method: "POST", body, token });
      if (status !== 200) throw new Error(`no synchronisation: ${text}`);
    },
    async putRight() {
      renew();
      for (const { id, role, password_hash: hash } of before)
        await db.query(
          `UPDATE users SET is_active = TRUE, token_version = 1, role = $2, password_hash = $3
           WHERE id = $1 AND NOT (is_active AND token_version = 1 AND role = $2 AND password_hash = $3)`,
          [id, role, hash],
        );
    },
  };
}

/** Another letter somewhere in the middle: the last one has bits that mean nothing. */
function flippedIn(token: string, random: Random): string {
  const at = random.between(10, token.length - 10);
  return token.slice(0, at) + (token[at] === "x" ? "y" : "x") + token.slice(at + 1);
}

/** The client of the admin's token, and what it signs in with at the SMTP ports. */
export async function mailClient({ system, databaseUrl }: Pick<House, "system" | "databaseUrl">): Promise<SignIn> {
  const db = new Client({ connectionString: databaseUrl });
  await db.connect();
  const { client_id: user } = await ownToken(db, system.token);
  await db.end();
  return { user, password: system.token };
}

async function ownToken(db: Client, token: string): Promise<{ token_id: string; client_id: string }> {
  const { jti } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { jti: string };
  const { rows } = await db.query<{ token_id: string; client_id: string }>(
    "SELECT id AS token_id, client_id FROM client_tokens WHERE id = $1",
    [jti],
  );
  if (!rows[0]) throw new Error("the token is not there");
  return rows[0];
}
