/** What a client's token says, and its signature. Nothing of it is kept here: see tokens.ts. */
import jwt from "jsonwebtoken";
import type { Context } from "../../runtime/context.ts";
import { hashToken, issuer } from "./access.ts";
import type { Permission } from "./permissions.ts";

export interface Claims {
  clientName: string;
  department: string | undefined;
  permissions: readonly Permission[];
}

/** As it is kept, and the token itself, which is not. */
export interface SignedToken {
  token: string;
  tokenHash: string;
  id: string;
  clientId: string;
  clientName: string;
  department: string | null;
  permissions: Permission[];
  createdAt: Date;
}

/** Signs a token for a new client. */
export function signClientToken(
  { signingKey, clock }: Pick<Context, "signingKey" | "clock">,
  claims: Claims,
): SignedToken {
  const { clientName } = claims;
  const id = clock.uuid();
  const clientId = `client_${clock.uuid().slice(0, 8)}`;
  const createdAt = clock.now();
  const permissions = [...new Set(claims.permissions)];
  const department = claims.department?.trim() || null;
  const said = {
    iss: issuer,
    sub: id,
    jti: id,
    iat: Math.floor(createdAt.getTime() / 1000),
    client_id: clientId,
    client_name: clientName,
    ...(department !== null && { department }),
    permissions,
  };
  const token = jwt.sign(said, signingKey.sign, { algorithm: signingKey.algorithm });
  return { token, tokenHash: hashToken(token), id, clientId, clientName, department, permissions, createdAt };
}
