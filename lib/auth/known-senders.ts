/** Looking up the config of a sender, for each mail: apart from administering them, which takes more than a worker needs. */
import type { Context } from "../../runtime/context.ts";

/** Where the secret of a config is kept: what it is sealed for. */
export const secretPlace = (id: string): string => `email_sender_configs:${id.toLowerCase()}`;

/** What is kept in memory of a sender's config. */
export interface SenderConfig {
  readonly id: string;
  readonly tenantId: string;
  readonly clientId: string;
  /** As `secretPlace` seals it. */
  readonly sealedSecret: string;
  readonly isActive: boolean;
  readonly clientIds: readonly string[] | null;
}

/** A sender without a config is remembered as well. */
export type KnownSender = SenderConfig | "no config";

/** The config of a sender, by its address; from memory until its row changes. */
export async function findSenderConfig(
  ctx: Pick<Context, "db" | "senderConfigs">,
  senderEmail: string,
): Promise<SenderConfig | undefined> {
  const email = senderEmail.toLowerCase();
  const known = ctx.senderConfigs.get(email) ?? (await ctx.senderConfigs.fetch(email, () => load(ctx, email)));
  return known === "no config" ? undefined : known;
}

async function load({ db }: Pick<Context, "db">, email: string): Promise<{ value: KnownSender; id: string }> {
  const { rows } = await db.query<SenderConfig>(
    `SELECT id, ms_tenant_id AS "tenantId", ms_client_id AS "clientId", ms_client_secret AS "sealedSecret",
            is_active AS "isActive", client_ids AS "clientIds"
     FROM email_sender_configs WHERE sender_email = $1`,
    [email],
  );
  return { value: rows[0] ?? "no config", id: email };
}
