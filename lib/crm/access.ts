/** Bearer authentication of the CRM's users as an access rule for functions. */
import jwt from "jsonwebtoken";
import type { Access, AccessRequest } from "../../runtime/access.ts";
import type { Context, Resources } from "../../runtime/context.ts";
import { rateLimited, refusedBy } from "../rate-limited.ts";
import type { Role } from "./values.ts";
import { invalidToken, missingToken, notAllowed } from "./problems.ts";

/** Who calls. */
export interface CrmUser {
  readonly userId: number;
  readonly username: string;
  readonly fullName: string | null;
  readonly role: Role;
}

/** What is kept in memory of a user; undefined fields of nobody. */
export interface KnownUser extends CrmUser {
  readonly isActive: boolean;
  readonly tokenVersion: number;
}

/** Tokens of the CRM name this issuer: those of the mail API do not open it, nor the other way round. */
export const issuer = "line-crm";
/** Seconds that a token holds. */
export const tokenSeconds = 3600;

const bearer = { type: "http", scheme: "bearer", bearerFormat: "JWT" };

/**
 * Lets in signed-in users of one of the roles; an admin may do everything. Throws: no header, a token that does not
 * hold, another role, too many requests of this user. `sends` are routes that send to members, which have a limit of
 * their own beside the common one.
 */
export function user(roles: readonly Role[] = [], options: { sends?: boolean } = {}): Access<CrmUser> {
  return {
    name: ["admin", ...roles].join("|"),
    scheme: { name: "crm", definition: bearer },
    problems: [missingToken, invalidToken, notAllowed, rateLimited],
    async check(request, resources) {
      const known = await signedIn(resources, request.header("authorization"));
      if (known.role !== "admin" && !roles.includes(known.role)) {
        throw notAllowed({ message: `This is for ${["admin", ...roles].join(", ")}; you are ${known.role}` });
      }
      await admit(known, request, resources, options.sends === true);
      return known;
    },
  };
}

/** Whoever is signed in. */
export const anyUser = () => user(["marketing", "customer_service"]);

async function admit(
  known: CrmUser,
  request: AccessRequest,
  { config, rateLimits }: Resources,
  sends: boolean,
): Promise<void> {
  request.caller = known;
  const { requestsPerMinute, sendsPerMinute } = config.crm;
  const limits = [
    { name: "crm_requests", points: requestsPerMinute, seconds: 60, of: "requests" },
    ...(sends ? [{ name: "crm_sends", points: sendsPerMinute, seconds: 60, of: "sends" }] : []),
  ];
  for (const { of, ...limit } of limits) {
    if (limit.points === 0) continue;
    const verdict = await rateLimits.take(limit, `user:${known.userId}`);
    if (verdict.passed) continue;
    throw refusedBy({ limit, verdict, message: `This user has made his ${limit.points} ${of} of a minute` });
  }
}

/** Throws unless the header has a token that was issued for the user as he is now. */
async function signedIn(
  resources: Pick<Context, "crmUsers" | "db" | "signingKey">,
  header: string | undefined,
): Promise<KnownUser> {
  if (header === undefined || header.trim() === "") throw missingToken();
  const token = /^Bearer +(\S+)$/i.exec(header.trim())?.[1];
  if (token === undefined) throw missingToken();
  const claims = verified(resources.signingKey, token);
  const key = String(claims.userId);
  const kept = resources.crmUsers.get(key);
  // A token that is newer than what is kept was issued by another container, whose notification is still on its way.
  const isCurrent = kept !== undefined && kept.tokenVersion >= claims.version;
  const known = isCurrent ? kept : await resources.crmUsers.fetch(key, () => load(resources, claims));
  if (!known.isActive || known.tokenVersion !== claims.version) throw invalidToken();
  return known;
}

async function load(
  { db }: Pick<Context, "db">,
  { userId }: { userId: number },
): Promise<{ value: KnownUser; id: string }> {
  const { rows } = await db.query<KnownUser>(
    `SELECT id::float8 AS "userId", username, full_name AS "fullName", role, is_active AS "isActive",
            token_version AS "tokenVersion"
     FROM users WHERE id = $1`,
    [userId],
  );
  const [value] = rows;
  if (!value) throw invalidToken();
  return { value, id: String(userId) };
}

/** The user and the version of his tokens, from a token that our key signed with our one algorithm. */
function verified(key: Context["signingKey"], token: string): { userId: number; version: number } {
  let claims: unknown;
  try {
    claims = jwt.verify(token, key.verify, { algorithms: [key.algorithm], issuer });
  } catch (error) {
    throw Object.assign(invalidToken(), { cause: error });
  }
  const { sub, ver } = claims as { sub?: unknown; ver?: unknown };
  if (typeof sub !== "string" || !/^\d{1,15}$/.test(sub) || typeof ver !== "number") throw invalidToken();
  return { userId: Number(sub), version: ver };
}

/** A token for the next hour. */
export function signToken(
  { signingKey, clock }: Pick<Context, "signingKey" | "clock">,
  { userId, username, role, tokenVersion }: Pick<KnownUser, "userId" | "username" | "role" | "tokenVersion">,
): string {
  const iat = Math.floor(clock.now().getTime() / 1000);
  const claims = { iss: issuer, sub: String(userId), username, role, ver: tokenVersion, iat, exp: iat + tokenSeconds };
  return jwt.sign(claims, signingKey.sign, { algorithm: signingKey.algorithm });
}
