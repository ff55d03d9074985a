/** A real HAProxy with the operators' own configuration, in which only addresses are others. It ends with the test. */
import { readFile, writeFile } from "node:fs/promises";
import { request as httpsRequest, type Agent } from "node:https";
import { join } from "node:path";
import { eventually } from "../harness/eventually.ts";
import { locate, Missing } from "../harness/install.ts";
import { ownFolder } from "../harness/process.ts";
import { freePort, startServer, type Server } from "../harness/server.ts";
import { project, type Variables } from "./fn.ts";
import { makeCertificate, type Certificate } from "./stand-ins/certificate.ts";

/** A process behind it. */
export interface Behind {
  port: number;
  /** Where it takes mail, when it does. */
  smtp?: { port: number; tlsPort: number };
}

export interface Proxy {
  /** Of `localhost`, which nobody trusts unless told. */
  readonly certificate: Certificate;
  readonly httpsPort: number;
  readonly httpPort: number;
  readonly smtp: { readonly port: number; readonly tlsPort: number };
  readonly metricsPort: number;
  readonly server: Server;
  /** Its servers of a kind that take connections, by their number. */
  up(backend: "api" | "smtp" | "smtps"): Promise<number[]>;
}

const file = join(project, "ops/haproxy/haproxy.cfg");
const template =
  /^( +)server-template (\w+) \d+ "\$\{(\w+)\}" (.*) resolvers docker resolve-prefer ipv4 init-addr none$/gm;

/** Writes servers that are known in the place of those that a DNS would tell. */
async function configuration(behind: readonly Behind[]): Promise<string> {
  let found = 0;
  const ports: Record<string, (one: Behind) => number | undefined> = {
    API_SERVERS: ({ port }) => port,
    SMTP_SERVERS: ({ smtp }) => smtp?.port,
    SMTPS_SERVERS: ({ smtp }) => smtp?.tlsPort,
  };
  const text = (await readFile(file, "utf8")).replaceAll(
    template,
    (_line, indent: string, name: string, variable: string, rest: string) => {
      found++;
      const lines = behind.map((one, index) => {
        const port = ports[variable]?.(one);
        const how = rest.replace('"${SMTP_CHECK_PORT}"', String(one.port));
        return port === undefined ? "" : `${indent}server ${name}${index + 1} 127.0.0.1:${port} ${how}`;
      });
      return lines.join("\n");
    },
  );
  if (found !== 3) throw new Error(`${file} has ${found} lines of servers that this test knows to replace`);
  return text;
}

/**
 * With servers that are known, or as a DNS tells (`DNS_SERVER`): then not a byte of the configuration is another.
 * @throws {Missing} without HAProxy on this machine.
 */
export async function startProxy(behind: readonly Behind[] | "by DNS", env: Variables = {}): Promise<Proxy> {
  const command = locate("HAProxy");
  if (command === undefined) throw new Missing("HAProxy");
  const folder = ownFolder("haproxy");
  const certificate = await makeCertificate();
  const [tlsFile, configFile] = [join(folder, "tls.pem"), join(folder, "haproxy.cfg")];
  await writeFile(tlsFile, certificate.cert + certificate.key);
  await writeFile(configFile, behind === "by DNS" ? await readFile(file) : await configuration(behind));
  const ports = await Promise.all(Array.from({ length: 6 }, freePort));
  const [httpPort = 0, httpsPort = 0, port = 0, tlsPort = 0, statsPort = 0, metricsPort = 0] = ports;
  const at = (one: number) => `127.0.0.1:${one}`;
  const settings = {
    TLS_FILE: tlsFile,
    HTTP_BIND: at(httpPort),
    HTTPS_BIND: at(httpsPort),
    SMTP_BIND: at(port),
    SMTPS_BIND: at(tlsPort),
    STATS_BIND: at(statsPort),
    METRICS_BIND: at(metricsPort),
    ADMIN_SOCKET: join(folder, "admin.sock"),
    ...env,
  };
  const table = async () => await (await fetch(`http://127.0.0.1:${statsPort}/;csv`)).text();
  const server = await startServer({
    name: "HAProxy",
    url: `https://localhost:${httpsPort}`,
    port: httpsPort,
    folder,
    process: { command, args: ["-db", "-f", configFile], env: { PATH: process.env["PATH"], ...settings } },
    stopSignal: "SIGTERM",
    ready: async () => (await table()).startsWith("# pxname"),
  });
  return {
    certificate,
    httpsPort,
    httpPort,
    smtp: { port, tlsPort },
    metricsPort,
    server,
    async up(backend) {
      const [heading = "", ...lines] = (await table()).split("\n");
      const status = heading.split(",").indexOf("status");
      const rows = lines.map((line) => line.split(",")).filter(([of, name]) => of === backend && name !== "BACKEND");
      return rows
        .filter((row) => row[status]?.startsWith("UP"))
        .map(([, name = ""]) => Number(name.slice(backend.length)));
    },
  };
}

/** Waits until these servers, by their number, are the ones that get requests. */
export async function servedBy(proxy: Proxy, backend: "api" | "smtp" | "smtps", ...numbers: number[]): Promise<void> {
  const isSo = async () => String(await proxy.up(backend)) === String(numbers);
  await eventually(isSo, { what: `${backend} is served by ${numbers.join()}`, within: 15_000 });
}

export interface HttpsAnswer {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  text: string;
}

export interface HttpsCall {
  path?: string;
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  /** Of the client, another of this machine. */
  localAddress?: string;
  agent?: Agent;
}

/** A request through the proxy, whose certificate is checked. */
export function callProxy({ httpsPort, certificate }: Proxy, call: HttpsCall = {}): Promise<HttpsAnswer> {
  const { path = "/", body, ...options } = call;
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      { host: "127.0.0.1", port: httpsPort, servername: "localhost", ca: certificate.cert, path, ...options },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
        response.on("error", reject);
      },
    );
    request.on("error", reject).end(body);
  });
}
