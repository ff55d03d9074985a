/** Bearer authentication as an access rule for functions. */
import { createHash } from "node:crypto";
import jwt from "jsonwebtoken";
import type { Access, AccessRequest } from "../../runtime/access.ts";
import type { Context, Resources } from "../../runtime/context.ts";
import { rateLimited, refusedBy } from "../rate-limited.ts";
import type { ClientQuota } from "../resources/entities.ts";
import type { RateLimit, Verdict } from "../resources/rate-limits.ts";
import { Caller } from "./caller.ts";
import type { Permission } from "./permissions.ts";
import { invalidToken, invalidTokenFormat, missingToken, permissionDenied, tokenRevoked } from "./problems.ts";

const bearer = { type: "http", scheme: "bearer", bearerFormat: "JWT" };

/**
 * Lets in clients whose token has the permission (an admin's has every one), as long as their department's limit of
 * requests allows. Throws one of six problems: no header, not `Bearer`, not a token of ours, revoked, without the
 * permission, or too many requests.
 */
export function client(permission: Permission): Access<Caller> {
  return {
    name: permission,
    scheme: { name: "bearer", definition: bearer },
    problems: [missingToken, invalidTokenFormat, invalidToken, tokenRevoked, permissionDenied, rateLimited],
    check(request, resources) {
      const { token } = bearerToken(request.header("authorization"));
      const known = resources.callers.get(token);
      if (known) return admit(known, permission, request, resources);
      return identify(resources, token).then((caller) => admit(caller, permission, request, resources));
    },
  };
}

/** All that is kept in memory of a checked token. */
export type Identified = Caller | "revoked";

/** Answers at once where the limit does: every request comes through here. */
function admit(
  known: Identified,
  permission: Permission,
  request: AccessRequest,
  { config, rateLimits }: Resources,
): Caller | Promise<Caller> {
  if (known === "revoked") throw tokenRevoked();
  request.caller = known;
  if (!known.may(permission))
    throw permissionDenied({ message: `This needs a token with the permission ${permission}` });
  const points = known.quota.requestsPerMinute ?? config.limits.departmentPerMinute;
  if (points === 0) return known;
  const limit = { name: "requests", points, seconds: 60 };
  const key = isCountedAlone(known) ? `client:${known.clientId}` : `department:${known.department}`;
  const verdict = rateLimits.take(limit, key);
  if (verdict instanceof Promise) return verdict.then((late) => within(limit, late, known));
  return within(limit, verdict, known);
}

/** Clients of a department share its limit, except those that have one of their own. */
function isCountedAlone({ department, quota }: Caller): boolean {
  return department === undefined || quota.requestsPerMinute !== undefined;
}

function within(limit: RateLimit, verdict: Verdict, caller: Caller): Caller {
  if (verdict.passed) return caller;
  const whose = isCountedAlone(caller) ? "client" : "department";
  throw refusedBy({ limit, verdict, message: `This ${whose} has made its ${limit.points} requests of a minute` });
}

function bearerToken(header: string | undefined): { token: string } {
  if (header === undefined || header.trim() === "") throw missingToken();
  const token = /^Bearer +([\w-]+\.[\w-]+\.[\w-]*)$/i.exec(header.trim())?.[1];
  if (token !== undefined) return { token };
  // A bearer token that does not even look like one is a wrong token; anything else is a wrong header.
  throw /^Bearer +\S+$/i.test(header.trim()) ? invalidToken() : invalidTokenFormat();
}

/** The hash that is stored in place of a token. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

interface TokenRow {
  id: string;
  client_id: string;
  client_name: string;
  department: string | null;
  permissions: string[];
  quota: ClientQuota | null;
  token_hash: string;
  is_active: boolean;
}

/** Checks the signature, then that the token was issued and stands. Kept in memory until its row changes. */
export async function identify(
  resources: Pick<Context, "callers" | "db" | "signingKey">,
  token: string,
): Promise<Identified> {
  const id = verifiedId(resources.signingKey, token);
  return resources.callers.fetch(token, async () => {
    const { rows } = await resources.db.query<TokenRow>(
      `SELECT id, client_id, client_name, department, permissions, quota, token_hash, is_active
       FROM client_tokens WHERE id = $1`,
      [id],
    );
    const [row] = rows;
    if (!row || row.token_hash !== hashToken(token)) throw invalidToken();
    return { value: row.is_active ? new Caller(row) : "revoked", id };
  });
}

const uuidPattern = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;

/** The token's id, from a token that our key signed with our one algorithm. */
function verifiedId(key: Context["signingKey"], token: string): string {
  let claims: unknown;
  try {
    claims = jwt.verify(token, key.verify, { algorithms: [key.algorithm], issuer });
  } catch (error) {
    throw Object.assign(invalidToken(), { cause: error });
  }
  const id = typeof claims === "object" && claims !== null && "jti" in claims ? claims.jti : undefined;
  if (typeof id !== "string" || !uuidPattern.test(id)) throw invalidToken();
  return id;
}

export const issuer = "mail-proxy-system";
