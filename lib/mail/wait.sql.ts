/** The status of mails, for those who wait for it. */
import type { Statement } from "../resources/batch.ts";
import type { MailStatus } from "./mail.ts";

export const selectStatuses: Statement<{ id: string }, { i: number; status: MailStatus }> = {
  name: "select_statuses",
  sql: `
    SELECT input.i, mails.status FROM jsonb_to_recordset($1::jsonb) AS input (i int, id uuid) JOIN mails USING (id)`,
};
