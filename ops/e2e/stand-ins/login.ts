/**
 * Stands in for Microsoft's login (Entra ID): discovery and tokens by client credentials, checked as its documentation
 * says, with its error shapes and numbers.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { text } from "node:stream/consumers";
import { makeCertificate } from "./certificate.ts";
import { endOfWait, makeFaults, type Faults } from "./faults.ts";

export interface Application {
  tenantId: string;
  clientId: string;
  clientSecret: string;
}

export interface LoginEntry {
  tenantId: string;
  clientId: string | undefined;
  status: number;
}

/** What a token says of its owner. */
export interface Grant {
  clientId: string;
  /** The origin that it is for. */
  audience: string;
}

export interface LoginStandIn extends Pick<Faults<"token" | "discovery">, "next" | "always"> {
  readonly url: string;
  /** The certificate, and the file that NODE_EXTRA_CA_CERTS is to name. */
  readonly cert: string;
  readonly env: Readonly<Record<string, string>>;
  /** Requests for tokens. */
  readonly ledger: readonly LoginEntry[];
  /** Tokens given. */
  readonly logins: number;
  /** Seconds that the tokens given from now on live. */
  lifetime: number;
  register(application?: Partial<Application>): Application;
  /** Gives an application another secret; the old one is not taken any more. */
  rotate(clientId: string): string;
  /** The owner of a token that is good. */
  grantOf(token: string): Grant | undefined;
  /** Ends all tokens before their time. */
  revokeTokens(): void;
  /** Forgets the ledger and all faults. */
  reset(): void;
  close(): Promise<void>;
}

export async function startLogin(): Promise<LoginStandIn> {
  const { cert, key, certFile } = await makeCertificate();
  const applications = new Map<string, Application>();
  const tokens = new Map<string, Grant & { until: number }>();
  const ledger: LoginEntry[] = [];
  const faults = makeFaults<"token" | "discovery">();

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = new URLSearchParams(await text(request));
    const [, tenantId = "", ...rest] = new URL(request.url ?? "", standIn.url).pathname.split("/");
    const path = rest.join("/");
    const isToken = path === "oauth2/v2.0/token" && request.method === "POST";
    const entry: LoginEntry = { tenantId, clientId: body.get("client_id") ?? undefined, status: 0 };
    if (isToken) ledger.push(entry);
    const reply = (status: number, content: object, headers: Record<string, string> = {}) => {
      entry.status = status;
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(JSON.stringify(content));
    };
    const refuse = (status: number, error: string, number: number, says: string) =>
      reply(status, {
        error,
        error_description: `AADSTS${number}: ${says} Trace ID: ${randomUUID()}`,
        error_codes: [number],
      });

    const fault = faults.take(isToken ? "token" : "discovery");
    if (fault?.kind === "status") {
      return reply(
        fault.status,
        { error: fault.code ?? "server_error", error_description: "AADSTS90033: a fault." },
        fault.headers,
      );
    }
    if (fault?.kind === "reset") return void request.socket.resetAndDestroy();
    if (fault?.kind === "silence") return;
    await endOfWait(fault);

    const known = [...applications.values()].filter((application) => application.tenantId === tenantId);
    if (known.length === 0) return refuse(400, "invalid_request", 90002, `Tenant '${tenantId}' not found.`);
    const issuer = `${standIn.url}/${tenantId}`;
    if (path === "v2.0/.well-known/openid-configuration") {
      return reply(200, {
        issuer: `${issuer}/v2.0`,
        token_endpoint: `${issuer}/oauth2/v2.0/token`,
        authorization_endpoint: `${issuer}/oauth2/v2.0/authorize`,
        jwks_uri: `${issuer}/discovery/v2.0/keys`,
      });
    }
    if (!isToken) return reply(404, {});
    const application = known.find(({ clientId }) => clientId === entry.clientId);
    if (body.get("grant_type") !== "client_credentials")
      return refuse(400, "unsupported_grant_type", 70003, "Wrong grant.");
    if (!application)
      return refuse(400, "unauthorized_client", 700016, `Application '${entry.clientId}' was not found.`);
    if (body.get("client_secret") !== application.clientSecret) {
      // Says more than the real one: none of this may come into a log.
      return refuse(401, "invalid_client", 7000215, `Invalid client secret provided: ${body.get("client_secret")}.`);
    }
    const scope = body.get("scope") ?? "";
    if (!scope.endsWith("/.default")) return refuse(400, "invalid_scope", 1002012, "The scope must end in /.default.");
    const token = `${randomUUID()}.${randomUUID()}`;
    tokens.set(token, {
      clientId: application.clientId,
      audience: scope.replace(/\/\.default$/, ""),
      until: Date.now() + standIn.lifetime * 1000,
    });
    reply(200, {
      token_type: "Bearer",
      expires_in: standIn.lifetime,
      ext_expires_in: standIn.lifetime,
      access_token: token,
    });
  }

  const server = createServer({ key, cert }, (request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const url = `https://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  const standIn: LoginStandIn = {
    url,
    cert,
    env: { MICROSOFT_AUTHORITY: url, NODE_EXTRA_CA_CERTS: certFile },
    ledger,
    get logins() {
      return ledger.filter(({ status }) => status === 200).length;
    },
    lifetime: 3600,
    next: faults.next,
    always: faults.always,
    register(given = {}) {
      const application = {
        tenantId: randomUUID(),
        clientId: randomUUID(),
        clientSecret: `Confidential~${randomUUID()}`,
        ...given,
      };
      applications.set(application.clientId, application);
      return { ...application };
    },
    rotate(clientId) {
      const application = applications.get(clientId);
      if (!application) throw new Error(`no application ${clientId}`);
      application.clientSecret = `Confidential~${randomUUID()}`;
      return application.clientSecret;
    },
    grantOf(token) {
      const grant = tokens.get(token);
      return grant && grant.until > Date.now() ? grant : undefined;
    },
    revokeTokens: () => tokens.clear(),
    reset() {
      ledger.length = 0;
      faults.clear();
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return standIn;
}
