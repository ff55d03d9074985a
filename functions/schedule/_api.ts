/** The API of scheduled mail: its style, and how it takes a job. */
import { Type, type TSchema } from "typebox";
import { http } from "#runtime";
import { smtpSecurities, statuses } from "#lib/schedule/job.ts";
import { scheduleStyle } from "#lib/schedule/style.ts";
import { PlainText } from "#lib/plain-text.ts";

export const scheduleApi = http.style(scheduleStyle);

export const JobId = Type.Object({ id: Type.Integer({ minimum: 1, description: "The job's id" }) });

/** Most bytes of a request: bodies are HTML, without attachments. */
export const bodyLimit = 10 * 2 ** 20;

export const ExecutionStatus = Type.Enum([...statuses]);

const orNull = <T extends TSchema>(schema: T, description: string) =>
  Type.Optional(Type.Union([schema, Type.Null()], { description }));
const addresses = { maxLength: 50_000 };

/** What a job cannot be without. */
export const requiredSettings = {
  progcode: PlainText({ maxLength: 100, description: "The program or purpose that it belongs to" }),
  sender: Type.String({ maxLength: 500, description: "hello@example.com, or Name <hello@example.com>" }),
  recipients: Type.String({
    ...addresses,
    minLength: 1,
    description: "Addresses with commas or semicolons between them",
  }),
  subject: Type.String({ minLength: 1, maxLength: 998 }),
  body: Type.String({ minLength: 1, description: "HTML, or plain text" }),
};

export const optionalSettings = {
  cc: orNull(Type.String(addresses), "As recipients"),
  bcc: orNull(Type.String(addresses), "As recipients; nobody sees them"),
  isenabled: Type.Optional(Type.Boolean({ description: "Whether it runs when it is due; true unless told" })),
  nextexecutetime: Type.Optional(
    Type.String({
      maxLength: 50,
      description: "2026-01-20 09:30:00; without an offset it is meant in SCHEDULE_TIMEZONE. Required without cronexpr",
    }),
  ),
  executionstatus: Type.Optional(
    Type.Literal("Pending", { description: "Begins anew; the other states are the system's" }),
  ),
  cronexpr: orNull(Type.String({ maxLength: 200 }), "Repeats it: five fields of cron, such as 30 9 * * MON-FRI"),
  timezone: orNull(
    PlainText({ maxLength: 100 }),
    "Of cronexpr: a name of the IANA database; without it, SCHEDULE_TIMEZONE",
  ),
  smtphost: orNull(PlainText({ maxLength: 255 }), "A relay of its own; without it, that of SMTP_HOST"),
  smtpport: orNull(Type.Integer({ minimum: 1, maximum: 65535 }), "587 unless told, 465 with tls"),
  smtpuser: orNull(PlainText({ maxLength: 255 }), "User at the relay"),
  smtppassword: orNull(PlainText({ maxLength: 1000 }), "Password there: kept sealed, and never shown"),
  smtpsecure: orNull(Type.Enum([...smtpSecurities]), "starttls unless told, tls on port 465"),
};
