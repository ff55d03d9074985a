/** Client tokens. They do not expire: they hold until they are revoked. */
import type { InferEntity } from "@mikro-orm/core";
import { Type, type Static } from "typebox";
import type { Context } from "../../runtime/context.ts";
import type { Page } from "../paging.ts";
import { PlainText } from "../plain-text.ts";
import { ClientToken } from "../resources/entities.ts";
import { tokenNotFound } from "./problems.ts";
import { signClientToken, type Claims } from "./sign.ts";

const most = 1_000_000_000;
const limit = (description: string) => Type.Optional(Type.Integer({ minimum: 0, maximum: most, description }));

/** What a token is asked for with, wherever it is asked. */
export const ClientName = PlainText({ maxLength: 255 });
export const Department = PlainText({ minLength: 0, maxLength: 100 });
export const Quota = Type.Object(
  {
    requests_per_minute: limit("Requests per minute; 0: no limit"),
    mails_per_hour: limit("Mails per hour; 0: no limit"),
  },
  { additionalProperties: false, description: "The client's own limits, in place of the system's" },
);
export type Quota = Static<typeof Quota>;

export interface TokenRequest extends Claims {
  quota?: Quota | undefined;
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
  const { token, ...kept } = signClientToken(ctx, request);
  const quota = request.quota && Object.keys(request.quota).length > 0 ? request.quota : null;
  const em = await ctx.entities.fork();
  em.create(ClientToken, { ...kept, quota, revokedAt: null, isActive: true });
  await em.flush();
  return { token, clientId: kept.clientId, createdAt: kept.createdAt };
}

export type ClientTokenRow = InferEntity<typeof ClientToken>;

/** Newest first. */
export async function listTokens(
  { entities }: Pick<Context, "entities">,
  { limit, offset }: Page,
): Promise<{ total: number; tokens: ClientTokenRow[] }> {
  const options = { orderBy: { createdAt: "desc", id: "desc" }, limit, offset } as const;
  const em = await entities.fork();
  const [tokens, total] = await em.findAndCount(ClientToken, {}, options);
  return { total, tokens };
}

/** By the token's id or its client's. Throws `token_not_found`. */
export async function readToken({ entities }: Pick<Context, "entities">, id: string): Promise<ClientTokenRow> {
  const em = await entities.fork();
  const token = await em.findOne(ClientToken, byEitherId(id));
  if (!token) throw tokenNotFound();
  return token;
}

/**
 * Ends a token for good: every container refuses it within a second. Twice is once: the first time stays on record.
 * Throws `token_not_found`.
 */
export async function revokeToken({ entities, clock }: Pick<Context, "entities" | "clock">, id: string): Promise<void> {
  const em = await entities.fork();
  const standing = { ...byEitherId(id), isActive: true };
  const revoked = await em.nativeUpdate(ClientToken, standing, { isActive: false, revokedAt: clock.now() });
  if (revoked === 0) await readToken({ entities }, id);
}

function byEitherId(text: string): { id: string } | { clientId: string } {
  return /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text) ? { id: text } : { clientId: text };
}
