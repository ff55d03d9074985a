/** Tokens of clients, written beside the system: many are needed, and each run of `fn token create` takes a second. */
import { join } from "node:path";
import { Client } from "pg";
import type { Permission } from "../../lib/auth/permissions.ts";
import { signClientToken } from "../../lib/auth/sign.ts";
import { openSigningKey } from "../../lib/resources/signing-key.ts";
import { systemClock } from "../../runtime/host/call.ts";
import type { Variables } from "./fn.ts";

/** Issues a token that a system with this environment takes. Its database has its tables already. */
export async function issueToken(env: Variables, permissions: Permission[] = ["admin"]): Promise<string> {
  const { JWT_PRIVATE_KEY, JWT_SECRET, DATA_DIR = "" } = env;
  const file = join(DATA_DIR, "keys", "jwt.pem");
  const signingKey = await openSigningKey({ privateKey: JWT_PRIVATE_KEY, secret: JWT_SECRET, file });
  const claims = { clientName: "Test", department: undefined, permissions };
  const { token, ...kept } = signClientToken({ signingKey, clock: systemClock }, claims);
  const client = new Client({ connectionString: env["DATABASE_URL"] });
  await client.connect();
  try {
    await client.query(
      `INSERT INTO client_tokens (id, client_id, client_name, permissions, token_hash, created_at)
       VALUES ($1, $2, $3, $4, $5, $6)`,
      [kept.id, kept.clientId, kept.clientName, kept.permissions, kept.tokenHash, kept.createdAt],
    );
  } finally {
    await client.end();
  }
  return token;
}
