/** Passwords that somebody wrote into the table in clear. */
import type { Context } from "../../runtime/context.ts";
import { passwordsInClear, sealPassword } from "./claim.sql.ts";
import { passwordPlace } from "./job-mail.ts";

const batchSize = 500;

/** Seals them. What is changed meanwhile is not overwritten, but found the next time. */
export async function sealPasswords({ db, secrets, log }: Context): Promise<void> {
  let sealed = 0;
  for (;;) {
    const { rows } = await db.query<{ id: string; smtppassword: string }>(passwordsInClear, [batchSize]);
    for (const { id, smtppassword } of rows) {
      await db.query(sealPassword, [id, smtppassword, secrets.seal(smtppassword, passwordPlace)]);
    }
    sealed += rows.length;
    if (rows.length < batchSize) break;
  }
  if (sealed > 0) log.info({ sealed }, "passwords of scheduled mail have been sealed");
}
