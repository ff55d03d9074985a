/** Passwords that somebody wrote into the table in clear. */
import type { Context } from "../../runtime/context.ts";
import { passwordsInClear, sealPassword } from "./claim.sql.ts";
import { passwordPlace } from "./job-mail.ts";

const batchSize = 200;

/** Seals them. What somebody has locked is left for the next time. */
export async function sealPasswords({ db, secrets, log }: Context): Promise<void> {
  const seal = () =>
    db.transaction(async (tx) => {
      const { rows } = await tx.query<{ id: string; smtppassword: string }>(passwordsInClear, [batchSize]);
      for (const { id, smtppassword } of rows) {
        await tx.query(sealPassword, [id, secrets.seal(smtppassword, passwordPlace)]);
      }
      return rows.length;
    });
  let sealed = 0;
  for (let some = await seal(); some > 0; some = some < batchSize ? 0 : await seal()) sealed += some;
  if (sealed > 0) log.info({ sealed }, "passwords of scheduled mail have been sealed");
}
