/** What is wrong with the environment that its types cannot tell. No value is repeated: it may be a secret in the wrong variable. */
import { parseAddress } from "../mail/address.ts";
import { isNetwork } from "../resources/networks.ts";
import { isTimeZone } from "../schedule/plan.ts";
import {
  cacheUrl,
  decodeKey,
  domains,
  isDomain,
  isImageType,
  isOrigin,
  list,
  networkList,
  privateKey,
} from "./readers.ts";
import type { Environment } from "./variables.ts";

export interface ConfigFault {
  variable: string;
  message: string;
}

export function checkTogether(values: Environment): ConfigFault[] {
  const faults: ConfigFault[] = [];
  const fault = (variable: keyof Environment, message: string) => faults.push({ variable, message });
  const protocol = (variable: keyof Environment, allowed: readonly string[]) => {
    const value = String(values[variable]);
    if (value === "") return;
    const url = URL.canParse(value) ? new URL(value) : undefined;
    if (!url || !allowed.includes(url.protocol)) {
      fault(variable, `must be an address that starts with ${allowed.map((one) => `${one}//`).join(" or ")}`);
    }
  };
  const each = (
    variable: keyof Environment,
    entries: readonly string[],
    isOne: (entry: string) => boolean,
    what: string,
  ) => {
    for (const [index, entry] of entries.entries()) {
      if (!isOne(entry)) fault(variable, `must be ${what}, with commas between them: entry ${index + 1} is none`);
    }
  };
  protocol("DATABASE_URL", ["postgres:", "postgresql:"]);
  protocol("RABBITMQ_URL", ["amqp:", "amqps:"]);
  protocol("SENDGRID_BASE_URL", ["http:", "https:"]);
  protocol("PUBLIC_URL", ["http:", "https:"]);
  for (const variable of ["LINE_API_BASE_URL", "LINE_DATA_BASE_URL", "PMS_API_URL"] as const) {
    protocol(variable, ["http:", "https:"]);
  }
  protocol("OTEL_EXPORTER_OTLP_ENDPOINT", ["http:", "https:"]);
  if (list(values.OTEL_EXPORTER_OTLP_HEADERS).some((header) => !/^[\w-]+=/.test(header)))
    fault("OTEL_EXPORTER_OTLP_HEADERS", "must be name=value, several with commas between them");
  if (values.KEYDB_URL !== "" && !cacheUrl(values)) fault("KEYDB_URL", "must be host:port or redis://…");
  for (const variable of ["ORG_EMAIL_DOMAIN", "SMTP_ALLOWED_DOMAINS"] as const) {
    each(variable, domains(values[variable]), isDomain, "domain names, such as example.com");
  }
  for (const variable of ["SMTP_ALLOWED_NETWORKS", "SMTP_PROXY_NETWORKS", "TRUSTED_PROXIES"] as const) {
    each(variable, networkList(values[variable]), isNetwork, "networks, such as 10.0.0.0/8");
  }
  const strange = list(values.ALLOWED_IMAGE_TYPES).find((name) => !isImageType(name));
  if (strange !== undefined || values.ALLOWED_IMAGE_TYPES === "")
    fault("ALLOWED_IMAGE_TYPES", "must be of jpg, jpeg, png and webp, with commas between them");
  each("CORS_ORIGINS", list(values.CORS_ORIGINS), isOrigin, "origins, such as https://crm.example.com");
  if (!isTimeZone(values.SCHEDULE_TIMEZONE)) {
    fault("SCHEDULE_TIMEZONE", 'must be a time zone of the IANA database, such as "Asia/Taipei"');
  }
  const { SMTP_TLS_CERT_FILE: certFile, SMTP_TLS_KEY_FILE: keyFile } = values;
  for (const variable of ["SMTP_TLS_CERT_FILE", "SMTP_TLS_KEY_FILE"] as const) {
    if (values[variable].includes("-----BEGIN")) fault(variable, "must be the name of a file, not what is in it");
  }
  if (certFile !== "" && keyFile === "") fault("SMTP_TLS_KEY_FILE", "is required with SMTP_TLS_CERT_FILE");
  if (certFile === "" && keyFile !== "") fault("SMTP_TLS_CERT_FILE", "is required with SMTP_TLS_KEY_FILE");
  if (values.SMTP_TLS_ENABLED && values.APP_ENV === "production" && certFile === "" && keyFile === "") {
    fault("SMTP_TLS_CERT_FILE", "is required in production with SMTP_TLS_ENABLED");
  }
  const ports = [values.API_PORT, values.SMTP_INBOUND_PORT, values.SMTP_INBOUND_TLS_PORT].filter((one) => one !== 0);
  if (new Set(ports).size < ports.length) fault("SMTP_INBOUND_PORT", "and the other ports must differ");
  const key = privateKey(values);
  if (key instanceof Error) fault("JWT_PRIVATE_KEY", key.message);
  if (values.JWT_SECRET !== "" && values.JWT_SECRET.length < 16)
    fault("JWT_SECRET", "must have at least 16 characters");
  if (values.APP_ENV === "production" && key === undefined && values.JWT_SECRET === "") {
    fault("JWT_PRIVATE_KEY", "is required in production (an RSA key in PEM; or JWT_SECRET for HS256)");
  }
  protocol("GRAPH_BASE_URL", ["https:", "http:"]);
  protocol("MICROSOFT_AUTHORITY", ["https:"]);
  const microsoft = ["MICROSOFT_TENANT_ID", "MICROSOFT_CLIENT_ID", "MICROSOFT_CLIENT_SECRET"] as const;
  const missing = microsoft.filter((name) => values[name] === "");
  if (missing.length < microsoft.length) {
    for (const name of missing) fault(name, "is required with the other MICROSOFT_ variables");
  }
  if (values.SMTP_AUTH === "oauth2" && missing.length > 0)
    fault("SMTP_AUTH", "oauth2 needs MICROSOFT_TENANT_ID, MICROSOFT_CLIENT_ID and MICROSOFT_CLIENT_SECRET");
  if (values.SMTP_AUTH === "oauth2" && values.SMTP_USER === "") fault("SMTP_USER", "is required with SMTP_AUTH oauth2");
  if (values.SMTP_PASSWORD !== "" && values.SMTP_USER === "") fault("SMTP_USER", "is required with SMTP_PASSWORD");
  if (values.SMTP_FROM !== "" && typeof parseAddress(values.SMTP_FROM) === "string")
    fault("SMTP_FROM", "must be an e-mail address");
  for (const key of list(values.ENCRYPTION_KEY)) {
    if (decodeKey(key).length !== 32) fault("ENCRYPTION_KEY", "must be 32 bytes in base64 (openssl rand -base64 32)");
  }
  if (values.WORKER_MIN_CONCURRENCY > values.WORKER_CONCURRENCY && values.WORKER_MIN_CONCURRENCY !== 2)
    fault("WORKER_MIN_CONCURRENCY", "must not be more than WORKER_CONCURRENCY");
  const names = [values.MAIL_QUEUE_NAME, values.RETRY_QUEUE_NAME, values.FAILED_QUEUE_NAME];
  if (new Set(names).size < names.length) fault("MAIL_QUEUE_NAME", "and the other queue names must differ");
  return faults;
}
