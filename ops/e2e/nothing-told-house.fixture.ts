/** The whole system beside stand-ins of all that it speaks to, each with secrets of its own, which are planted. */
import { randomBytes } from "node:crypto";
import { Client } from "pg";
import { freshDatabase } from "../harness/test.ts";
import { addPerson } from "./crm.ts";
import type { Garden } from "./nothing-told.fixture.ts";
import { startCollector } from "./stand-ins/collector.ts";
import { startLine } from "./stand-ins/line.ts";
import { startPms } from "./stand-ins/pms.ts";
import { startSendGrid } from "./stand-ins/sendgrid.ts";
import { startSystem, stopAll } from "./system.ts";

export async function startPlanted(garden: Garden) {
  const standIns = await Promise.all([startCollector(), startSendGrid(), startLine(), startPms()]);
  const [collector, sendgrid, line, pms] = standIns;
  const url = new URL(await freshDatabase());
  url.password ||= garden.secret("password of the database");
  garden.known("password of the database", decodeURIComponent(url.password));
  garden.known("SendGrid's key", sendgrid.key);
  garden.known("LINE's channel access token", line.token);
  garden.known("LINE's channel secret", line.secret);
  const env = {
    DATABASE_URL: url.href,
    JWT_SECRET: garden.secret("JWT_SECRET"),
    ENCRYPTION_KEY: garden.known("ENCRYPTION_KEY", randomBytes(32).toString("base64")),
    SENDGRID_API_KEY: sendgrid.key,
    SENDGRID_BASE_URL: sendgrid.url,
    ORG_EMAIL_DOMAIN: "corp.example",
    MICROSOFT_AUTHORITY: "https://127.0.0.1:1",
    GRAPH_BASE_URL: "https://127.0.0.1:1",
    PMS_API_URL: pms.url,
    PMS_API_KEY: garden.known("the PMS's key", pms.key),
    SMTP_HOST: "127.0.0.1",
    SMTP_PORT: "1",
    SMTP_USER: "relay",
    SMTP_PASSWORD: garden.secret("SMTP_PASSWORD"),
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    LOG_LEVEL: "trace",
    ...line.env,
  };
  const system = await startSystem({ smtp: true, env, within: 90_000 });
  garden.known("the admin's token", system.token);
  const database = new Client({ connectionString: url.href });
  await database.connect();
  const admin = await addPerson(database, env.JWT_SECRET, "admin");
  garden.known("the CRM admin's password", admin.password);
  garden.known("the CRM admin's token", admin.token);
  return {
    databaseUrl: url.href,
    collector,
    sendgrid,
    line,
    pms,
    system,
    database,
    admin,
    async close() {
      await stopAll();
      await database.end();
      await Promise.all(standIns.map((standIn) => standIn.close()));
    },
  };
}
