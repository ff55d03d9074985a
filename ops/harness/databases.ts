/** Databases of a server that tests share. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Client } from "pg";
import { pino } from "pino";

/** Makes a database on the server and returns its address. `more`: what else CREATE DATABASE is told. */
export async function createDatabase(server: string, name: string, more = ""): Promise<string> {
  const client = new Client({ connectionString: server });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${name}${more}`);
  } finally {
    await client.end();
  }
  return new URL(`/${name}`, server).href;
}

/** Makes a database with the house's tables, and returns its name. A copy of it is there in half the time that migrating takes. */
export async function makeTemplate(server: string): Promise<string> {
  const { migrate } = await import("../../lib/resources/migrations.ts"); // only here: most tests get a template
  const name = `house_${randomBytes(4).toString("hex")}`;
  const url = await createDatabase(server, name);
  await migrate({ url, folder: join(import.meta.dirname, "../../sql"), log: pino({ level: "silent" }) });
  return name;
}
