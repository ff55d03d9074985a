/** Issues client tokens. They do not expire: they hold until they are revoked. */
import jwt from "jsonwebtoken";
import type { Context } from "../../runtime/context.ts";
import { ClientToken } from "../resources/entities.ts";
import { hashToken, issuer } from "./access.ts";
import type { Permission } from "./permissions.ts";

export interface TokenRequest {
  clientName: string;
  department: string | undefined;
  permissions: readonly Permission[];
}

export interface IssuedToken {
  /** The token itself, shown this once: only its hash is kept. */
  token: string;
  clientId: string;
  createdAt: Date;
}

/** Issues a token for a new client. Returns once it is committed. */
export async function createToken(
  ctx: Pick<Context, "entities" | "signingKey" | "clock">,
  request: TokenRequest,
): Promise<IssuedToken> {
  const id = ctx.clock.uuid();
  const clientId = `client_${ctx.clock.uuid().slice(0, 8)}`;
  const createdAt = ctx.clock.now();
  const permissions = [...new Set(request.permissions)];
  const claims = {
    iss: issuer,
    sub: id,
    jti: id,
    iat: Math.floor(createdAt.getTime() / 1000),
    client_id: clientId,
    client_name: request.clientName,
    ...(request.department !== undefined && { department: request.department }),
    permissions,
  };
  const token = jwt.sign(claims, ctx.signingKey.sign, { algorithm: ctx.signingKey.algorithm });
  const em = ctx.entities.fork();
  em.create(ClientToken, {
    id,
    clientId,
    clientName: request.clientName,
    department: request.department ?? null,
    permissions,
    quota: null,
    tokenHash: hashToken(token),
    createdAt,
    revokedAt: null,
    isActive: true,
  });
  await em.flush();
  return { token, clientId, createdAt };
}
