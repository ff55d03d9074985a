/** The routing table, row by row: by which provider mail leaves, as whom, and what else it never touches. */
import { randomBytes, randomUUID } from "node:crypto";
import { Client } from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openSecrets } from "../../lib/resources/secrets.ts";
import { sealRelay } from "../../lib/senders/own-relay.ts";
import type { MailSource } from "../../lib/mail/mail.ts";
import { ownFolder } from "../harness/process.ts";
import { freshDatabase } from "../harness/test.ts";
import { startGraph, type GraphStandIn } from "./stand-ins/graph.ts";
import { startLogin, type Application, type LoginStandIn } from "./stand-ins/login.ts";
import { startSendGrid, type SendGridStandIn } from "./stand-ins/sendgrid.ts";
import { startRelay, type RelayStandIn } from "./stand-ins/smtp-relay.ts";
import { startSystem, stopAll, type System } from "./system.ts";

const story = suite("routing");
const encryptionKey = randomBytes(32).toString("base64");

let login: LoginStandIn;
let graph: GraphStandIn;
let sendgrid: SendGridStandIn;
let relays: { environment: RelayStandIn; own: RelayStandIn };
let environment: Application;
let configured: Application;
let withRelay: System;
let withoutRelay: System;
const databases = new Map<System, string>();

story.before(async () => {
  login = await startLogin();
  graph = await startGraph(login);
  sendgrid = await startSendGrid();
  relays = { environment: await startRelay({ open: true }), own: await startRelay({ open: true }) };
  environment = login.register();
  configured = login.register();
  const env = {
    ...login.env,
    ...graph.env,
    APP_ENV: "production",
    ORG_EMAIL_DOMAIN: "@corp.example, corp.test",
    MICROSOFT_TENANT_ID: environment.tenantId,
    MICROSOFT_CLIENT_ID: environment.clientId,
    MICROSOFT_CLIENT_SECRET: environment.clientSecret,
    SENDGRID_API_KEY: sendgrid.key,
    SENDGRID_BASE_URL: sendgrid.url,
    ENCRYPTION_KEY: encryptionKey,
    JWT_SECRET: randomUUID(),
    ATTACHMENT_PATH: ownFolder("attachments"),
  };
  const relay = { SMTP_HOST: relays.environment.host, SMTP_PORT: String(relays.environment.port), SMTP_SECURE: "none" };
  const start = async (more: Record<string, string>) => {
    const DATABASE_URL = await freshDatabase();
    const system = await startSystem({ env: { ...env, ...more, DATABASE_URL } });
    databases.set(system, DATABASE_URL);
    for (const sender of ["sales@corp.example", "sales@corp.test"]) await addSender(system, sender);
    return system;
  };
  withRelay = await start(relay);
  withoutRelay = await start({});
});
story.after(async () => {
  await stopAll();
  await Promise.all([graph, login, sendgrid, relays.environment, relays.own].map((standIn) => standIn.close()));
});

async function addSender(system: System, sender_email: string): Promise<void> {
  const { tenantId: ms_tenant_id, clientId: ms_client_id, clientSecret: ms_client_secret } = configured;
  const body = { sender_email, ms_tenant_id, ms_client_id, ms_client_secret };
  const answer = await system.call("/api/v1/auth/sender-config", { method: "POST", body });
  assert.is(answer.status, 201, answer.text);
}

/** A mail as another part of the system hands it over, in the place where all mail waits. */
async function handOver(system: System, source: MailSource, from: string, own: boolean): Promise<string> {
  const id = randomUUID();
  const { host, port } = relays.own;
  const settings = { host, port, secure: "none" as const, from: undefined, auth: { kind: "none" as const } };
  const secrets = await openSecrets({ keys: [Buffer.from(encryptionKey, "base64")], file: "" });
  const client = new Client({ connectionString: databases.get(system) });
  await client.connect();
  try {
    await client.query(
      `INSERT INTO mails (id, source, client_id, from_address, to_addresses, subject, body, relay)
       VALUES ($1, $2, $2, $3, '{guest@example.org}', 'Your order', 'It is on its way.', $4)`,
      [id, source, from, own ? sealRelay({ secrets }, settings, id) : null],
    );
  } finally {
    await client.end();
  }
  return id;
}

/** Where a mail has turned up, and as whom it left. */
function whereabouts(id: string): string[] {
  const by = new Map([
    [environment.clientId, "the environment's application"],
    [configured.clientId, "the sender's application"],
  ]);
  const atRelay = (relay: RelayStandIn, name: string) =>
    relay.messages.filter(({ raw }) => raw.includes(id)).map(() => name);
  return [
    ...graph.copies(id).map(({ clientId, mailbox }) => `Graph, ${mailbox}, ${by.get(clientId)}`),
    ...Array.from({ length: sendgrid.copies(id) }, () => "SendGrid"),
    ...atRelay(relays.environment, "the environment's relay"),
    ...atRelay(relays.own, "its own relay"),
  ];
}

interface Row {
  source: MailSource;
  from: string;
  ownRelay?: boolean;
  /** Whether the environment has a relay. */
  relay?: boolean;
  leaves: string;
}

const asSender = (mailbox: string) => `Graph, ${mailbox}, the sender's application`;
const asEnvironment = (mailbox: string) => `Graph, ${mailbox}, the environment's application`;

const rows: Row[] = [
  { source: "api", from: "sales@corp.example", leaves: asSender("sales@corp.example") },
  { source: "api", from: "Sales@CORP.test", leaves: asSender("Sales@corp.test") },
  { source: "api", from: "shop@acme.example", leaves: "SendGrid" },
  { source: "api", from: "sales@sub.corp.example", leaves: "SendGrid" },
  { source: "api", from: "sales@evilcorp.example", leaves: "SendGrid" },
  { source: "api", from: "sales@corp.example.evil.example", leaves: "SendGrid" },
  { source: "api", from: "shop@acme.example", relay: true, leaves: "SendGrid" },
  { source: "smtp", from: "printer@corp.example", leaves: asEnvironment("printer@corp.example") },
  { source: "smtp", from: "sales@corp.example", leaves: asEnvironment("sales@corp.example") },
  { source: "smtp", from: "shop@acme.example", leaves: "SendGrid" },
  { source: "smtp", from: "printer@corp.example", relay: true, leaves: asEnvironment("printer@corp.example") },
  { source: "schedule", from: "sales@corp.example", ownRelay: true, leaves: "its own relay" },
  { source: "schedule", from: "shop@acme.example", ownRelay: true, relay: true, leaves: "its own relay" },
  { source: "schedule", from: "sales@corp.example", relay: true, leaves: "the environment's relay" },
  { source: "schedule", from: "shop@acme.example", relay: true, leaves: "the environment's relay" },
  { source: "schedule", from: "sales@corp.example", leaves: asSender("sales@corp.example") },
  { source: "schedule", from: "shop@acme.example", leaves: "SendGrid" },
];
for (const { source, from, ownRelay = false, relay = false, leaves } of rows) {
  const has = [ownRelay && "with a relay of its own", relay && "where the environment has a relay"].filter(Boolean);
  story(`mail by ${source} from ${from} ${has.join(", ")} leaves by ${leaves}`, async () => {
    const system = relay ? withRelay : withoutRelay;
    const id = source === "api" ? await system.accept({ from }) : await handOver(system, source, from, ownRelay);
    const state = await system.settled(id);
    assert.is(state.status, "sent", state.error_message);
    assert.equal(whereabouts(id), [leaves]);
  });
}

story("the organisation's mail by the API without a sender config is refused, and nothing is kept of it", async () => {
  const answer = await withoutRelay.send({ from: "nobody@corp.example" });
  assert.equal([answer.status, answer.body["error"]], [400, "sender_not_configured"]);
  const history = await withoutRelay.call("/api/v1/mail/history?status=queued");
  assert.is(history.body["total"], 0);
});

story("a sender that is taken away fails the mail that was to leave by it", async () => {
  await addSender(withoutRelay, "leaver@corp.example");
  const sendAt = new Date(Date.now() + 2500).toISOString();
  const id = await withoutRelay.accept({ from: "leaver@corp.example", send_at: sendAt });
  const configs = await withoutRelay.call("/api/v1/auth/sender-configs?limit=100");
  const list = configs.body["data"] as { id: string; sender_email: string }[];
  const config = list.find(({ sender_email }) => sender_email === "leaver@corp.example");
  await withoutRelay.call(`/api/v1/auth/sender-config/${config?.id}`, { method: "DELETE" });
  const state = await withoutRelay.settled(id);
  assert.equal([state.status, state.error_message.split(":")[0]], ["failed", "sender_not_configured"]);
  assert.equal(whereabouts(id), []);
});

story.run();
