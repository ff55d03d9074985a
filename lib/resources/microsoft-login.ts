/** One login of a Microsoft application, by MSAL's client credentials flow. */
import type { INetworkModule, NetworkRequestOptions, NetworkResponse } from "@azure/msal-node";

export interface Application {
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

export interface Login {
  /** `https://login.microsoftonline.com`, or a private one. */
  authority: string;
  /** `https://graph.microsoft.com/.default` */
  scope: string;
  /** Milliseconds that a request may take. */
  timeoutMs: number;
}

export interface Token {
  token: string;
  /** Milliseconds from now until it expires. */
  lifetimeMs: number;
}

/** Why there is no token. Names the application, never its secret. */
export class LoginFailure extends Error {
  override name = "LoginFailure";
  /** `transient` may pass by itself; `refused` stays until somebody changes the application or its settings. */
  readonly kind: "transient" | "throttled" | "refused";
  /** `login_invalid_client`, `login_http_503`, `login_ECONNREFUSED`. */
  readonly code: string;
  /** The header, where the login asks for patience. */
  readonly retryAfter: string | undefined;

  constructor(
    kind: LoginFailure["kind"],
    code: string,
    message: string,
    { retryAfter, ...options }: ErrorOptions & { retryAfter?: string | undefined } = {},
  ) {
    super(message, options);
    this.kind = kind;
    this.code = `login_${code}`;
    this.retryAfter = retryAfter;
  }
}

/** Fetches a token. Throws `LoginFailure`. */
export async function logIn(application: Application, { authority, scope, timeoutMs }: Login): Promise<Token> {
  const { tenantId, clientId, clientSecret } = application;
  // Loaded when it is first needed: that takes 100 ms.
  const { ConfidentialClientApplication } = await import("@azure/msal-node");
  const network = new Network(timeoutMs);
  try {
    // A new one each time: MSAL remembers a 429 or 5xx, and then refuses for a minute without asking.
    const client = new ConfidentialClientApplication({
      auth: {
        clientId,
        clientSecret,
        authority: `${authority}/${encodeURIComponent(tenantId)}`,
        // Without it MSAL asks login.microsoftonline.com whether it knows the host.
        knownAuthorities: [new URL(authority).host],
      },
      system: { networkClient: network },
    });
    const result = await client.acquireTokenByClientCredential({ scopes: [scope] });
    if (!result?.accessToken || !result.expiresOn) throw new Error("The login's answer has no token");
    return { token: result.accessToken, lifetimeMs: result.expiresOn.getTime() - Date.now() };
  } catch (error) {
    throw failureOf(application, network.last, error);
  }
}

/** How a request of MSAL's ended. */
type Ended = { status: number; retryAfter: string | undefined; error: string; number: string } | { broken: unknown };

/** MSAL's way to the network, with a time limit. Remembers how its last request ended: MSAL's errors do not say. */
class Network implements INetworkModule {
  last: Ended | undefined;
  readonly #timeoutMs: number;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  sendGetRequestAsync<T>(url: string, options?: NetworkRequestOptions): Promise<NetworkResponse<T>> {
    return this.#send<T>(url, { method: "GET", headers: options?.headers ?? {} });
  }

  sendPostRequestAsync<T>(url: string, options?: NetworkRequestOptions): Promise<NetworkResponse<T>> {
    return this.#send<T>(url, { method: "POST", headers: options?.headers ?? {}, body: options?.body ?? "" });
  }

  async #send<T>(url: string, request: RequestInit): Promise<NetworkResponse<T>> {
    try {
      const signal = AbortSignal.timeout(this.#timeoutMs);
      const { status, headers, ...response } = await answered(url, { ...request, signal, redirect: "manual" });
      this.last = { status, retryAfter: headers["retry-after"], ...errorIn(response.body) };
      // MSAL checks what is in it.
      return { status, headers, body: response.body as T };
    } catch (error) {
      this.last = { broken: error };
      throw error;
    }
  }
}

async function answered(url: string, request: RequestInit) {
  const response = await fetch(url, request);
  const text = await response.text();
  return { status: response.status, headers: Object.fromEntries(response.headers), body: parse(text) };
}

function parse(text: string): object {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" && body !== null ? body : {};
  } catch {
    return {}; // A proxy's page.
  }
}

/** The error's name and Microsoft's number (`AADSTS7000215`). Its text stays out: it is long and tells of the tenant. */
function errorIn(body: object): { error: string; number: string } {
  const { error, error_description: text } = body as { error?: unknown; error_description?: unknown };
  const name = typeof error === "string" && /^\w{1,60}$/.test(error) ? error : "";
  return { error: name, number: /AADSTS\d+/.exec(String(text))?.[0] ?? "" };
}

function failureOf({ tenantId, clientId }: Application, ended: Ended | undefined, cause: unknown): LoginFailure {
  const login = `The login of application ${clientId} in tenant ${tenantId}`;
  if (ended && "broken" in ended) {
    const code = networkCode(ended.broken);
    return new LoginFailure("transient", code, `${login} could not be reached`, { cause: ended.broken });
  }
  if (ended && ended.status >= 300) {
    // Without MSAL's error: it has the text of the answer.
    const { status, error, number, retryAfter } = ended;
    const message = `${login} answered ${error || status}${number && ` (${number})`}`;
    if (status === 429) return new LoginFailure("throttled", "http_429", message, { retryAfter });
    // RFC 6749, section 4.1.2.1
    const passing = status === 408 || status >= 500 || error === "temporarily_unavailable";
    if (passing) return new LoginFailure("transient", `http_${status}`, message);
    return new LoginFailure("refused", error || `http_${status}`, message);
  }
  const impossible = cause instanceof Error && cause.name === "ClientConfigurationError";
  return new LoginFailure(impossible ? "refused" : "transient", "failed", `${login} gave no token`, { cause });
}

function networkCode(error: unknown): string {
  if (!(error instanceof Error)) return "failed";
  if (error.name === "TimeoutError") return "ETIMEDOUT";
  const { cause } = error;
  return cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "failed";
}
