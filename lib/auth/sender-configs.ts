/** Administering sender configs: the Microsoft application that a sender of the organisation sends with, and who may send as it. */
import { UniqueConstraintViolationException, type InferEntity } from "@mikro-orm/core";
import type { Context } from "../../runtime/context.ts";
import { problems } from "../../runtime/problem.ts";
import { parseAddress } from "../mail/address.ts";
import type { Page } from "../paging.ts";
import { EmailSenderConfig } from "../resources/entities.ts";
import { SecretFault } from "../resources/secrets.ts";
import { secretPlace } from "./known-senders.ts";
import { invalidSenderDomain, senderConfigExists, senderConfigNotFound } from "./problems.ts";

/** What an administrator says of a sender. */
export interface SenderSettings {
  tenantId: string;
  clientId: string;
  clientSecret: string;
  isActive: boolean;
  /** Ids of the clients that may send as it; null: every client. */
  clientIds: readonly string[] | null;
}

/** What an administrator sees of it. */
export interface ShownSenderConfig extends Omit<SenderSettings, "clientSecret"> {
  id: string;
  /** Lower case. */
  senderEmail: string;
  maskedSecret: string;
  createdAt: Date;
}

type Administration = Pick<Context, "entities" | "secrets" | "clock" | "config" | "log">;
type Row = InferEntity<typeof EmailSenderConfig>;

/** Returns once the config is committed. Throws when the sender is not of the organisation, or has a config already. */
export async function createSenderConfig(
  ctx: Administration,
  senderEmail: string,
  settings: SenderSettings,
): Promise<ShownSenderConfig> {
  const id = ctx.clock.uuid();
  const now = ctx.clock.now();
  const em = await ctx.entities.fork();
  const row = em.create(EmailSenderConfig, {
    id,
    senderEmail: senderOf(ctx, senderEmail),
    msTenantId: settings.tenantId,
    msClientId: settings.clientId,
    msClientSecret: ctx.secrets.seal(settings.clientSecret, secretPlace(id)),
    clientIds: settings.clientIds && [...new Set(settings.clientIds)],
    isActive: settings.isActive,
    createdAt: now,
    updatedAt: now,
  });
  try {
    await em.flush();
  } catch (error) {
    if (error instanceof UniqueConstraintViolationException) throw senderConfigExists({ cause: error });
    throw error;
  }
  return shown(ctx, row);
}

/** Newest first: one page, or all. */
export async function listSenderConfigs(
  ctx: Administration,
  page?: Page,
): Promise<{ total: number; configs: ShownSenderConfig[] }> {
  const em = await ctx.entities.fork();
  const [rows, total] = await em.findAndCount(
    EmailSenderConfig,
    {},
    {
      orderBy: { createdAt: "desc", id: "desc" },
      ...(page && { limit: page.limit, offset: page.offset }),
    },
  );
  return { total, configs: rows.map((row) => shown(ctx, row)) };
}

/** Throws `sender_config_not_found`. */
export async function readSenderConfig(ctx: Administration, id: string): Promise<ShownSenderConfig> {
  const em = await ctx.entities.fork();
  const row = await em.findOne(EmailSenderConfig, { id });
  if (!row) throw senderConfigNotFound();
  return shown(ctx, row);
}

/** Changes what is given of it, and nothing else. Every container sends by it within a second. */
export async function updateSenderConfig(
  ctx: Administration,
  id: string,
  changes: { [Setting in keyof SenderSettings]: SenderSettings[Setting] | undefined },
): Promise<ShownSenderConfig> {
  const { tenantId, clientId, clientSecret, isActive, clientIds } = changes;
  const columns = {
    ...(tenantId !== undefined && { msTenantId: tenantId }),
    ...(clientId !== undefined && { msClientId: clientId }),
    ...(clientSecret !== undefined && { msClientSecret: ctx.secrets.seal(clientSecret, secretPlace(id)) }),
    ...(isActive !== undefined && { isActive }),
    ...(clientIds !== undefined && { clientIds: clientIds && [...new Set(clientIds)] }),
  };
  if (Object.keys(columns).length > 0) {
    const em = await ctx.entities.fork();
    const changed = await em.nativeUpdate(EmailSenderConfig, { id }, { ...columns, updatedAt: ctx.clock.now() });
    if (changed === 0) throw senderConfigNotFound();
  }
  return await readSenderConfig(ctx, id);
}

/** No container sends by it any more within a second. */
export async function deleteSenderConfig(ctx: Administration, id: string): Promise<void> {
  const em = await ctx.entities.fork();
  const deleted = await em.nativeDelete(EmailSenderConfig, { id });
  if (deleted === 0) throw senderConfigNotFound();
}

/** The sender's address as configs keep it. */
function senderOf({ config }: Administration, text: string): string {
  const parsed = parseAddress(text);
  const bare = typeof parsed === "string" || !text.includes("<") ? parsed : "must be an address without a name";
  if (typeof bare === "string") {
    throw problems.invalidRequest({
      message: `sender_email ${bare}`,
      details: [{ field: "sender_email", message: bare }],
    });
  }
  if (!config.organisationDomains.includes(bare.domain)) {
    const domains = config.organisationDomains.join(" or ") || "the organisation, and ORG_EMAIL_DOMAIN is not set";
    throw invalidSenderDomain({ message: `sender_email must be of ${domains}` });
  }
  return bare.address.toLowerCase();
}

function shown(ctx: Administration, row: Row): ShownSenderConfig {
  return {
    id: row.id,
    senderEmail: row.senderEmail,
    tenantId: row.msTenantId,
    clientId: row.msClientId,
    maskedSecret: masked(ctx, row),
    clientIds: row.clientIds ?? null,
    isActive: row.isActive,
    createdAt: row.createdAt,
  };
}

/** A secret that no key here opens can still be listed, and be replaced. */
function masked({ secrets, log }: Administration, { id, msClientSecret }: Row): string {
  try {
    return maskSecret(secrets.open(msClientSecret, secretPlace(id)));
  } catch (error) {
    if (!(error instanceof SecretFault)) throw error;
    log.warn({ sender_config: id, reason: error.message }, "a sender's secret cannot be opened");
    return maskSecret("");
  }
}

/** `abcd****wxyz`; what is shorter than 12 characters shows nothing of itself. */
export function maskSecret(secret: string): string {
  const characters = [...secret];
  if (characters.length < 12) return "****";
  return `${characters.slice(0, 4).join("")}****${characters.slice(-4).join("")}`;
}
