/** Users of the CRM, signed in without its bcrypt: hashing a thousand passwords is not what is measured. */
import { signToken } from "../../lib/crm/access.ts";
import { openSigningKey } from "../../lib/resources/signing-key.ts";
import { systemClock } from "../../runtime/host/call.ts";
import type { System } from "./system.ts";

/** Adds admins, and returns the values of their `Authorization` headers. `secret` is the system's `JWT_SECRET`. */
export async function addUsers({ db }: System, secret: string, count: number): Promise<string[]> {
  const { rows } = await db.query<{ id: number; username: string }>(
    `INSERT INTO users (username, email, password_hash, role)
     SELECT 'user' || n, 'user' || n || '@hotel.example', 'none', 'admin' FROM generate_series(1, $1) AS n
     RETURNING id::float8 AS id, username`,
    [count],
  );
  const signingKey = await openSigningKey({ privateKey: undefined, secret, file: "" });
  return rows.map(({ id, username }) => {
    const user = { userId: id, username, role: "admin", tokenVersion: 1 } as const;
    return `Bearer ${signToken({ signingKey, clock: systemClock }, user)}`;
  });
}
