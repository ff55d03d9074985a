/** Values of variables that are more than a text. */
import { createPrivateKey } from "node:crypto";
import type { Environment } from "./variables.ts";

export function list(value: string): string[] {
  return value
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** `none` is no network. */
export function networkList(value: string): string[] {
  return list(value).filter((one) => one !== "none");
}

export function domains(value: string): string[] {
  return list(value).map((domain) => domain.replace(/^@/, "").toLowerCase());
}

export function isDomain(name: string): boolean {
  return /^(?:[a-z\d](?:[a-z\d-]*[a-z\d])?\.)+[a-z\d-]{2,}$/.test(name);
}

/** As it is where it is not percent-encoded after all. */
export function decodeHeader(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

const imageTypeNames = { jpg: "jpeg", jpeg: "jpeg", png: "png", webp: "webp" } as const;
type ImageTypeName = keyof typeof imageTypeNames;

export function isImageType(name: string): name is ImageTypeName {
  return Object.hasOwn(imageTypeNames, name);
}

/** Of names and endings of files, each kind once. */
export function imageTypes(value: string): ("jpeg" | "png" | "webp")[] {
  const names = list(value).filter(isImageType);
  return [...new Set(names.map((name) => imageTypeNames[name]))];
}

/** As browsers send it: scheme, host, and a port that is not the scheme's own. */
export function isOrigin(value: string): boolean {
  return URL.canParse(value) && new URL(value).origin === value && /^https?:/.test(value);
}

/** Base64 in either alphabet. */
export function decodeKey(text: string): Buffer {
  return Buffer.from(text, "base64");
}

/** `host:port` or `redis://…`, with the password put in. */
export function cacheUrl({ KEYDB_URL: given, KEYDB_PASSWORD: password }: Environment): string | undefined {
  if (given === "") return undefined;
  const full = given.includes("://") ? given : `redis://${given}`;
  if (!URL.canParse(full)) return undefined;
  const url = new URL(full);
  if (!/^rediss?:$/.test(url.protocol) || url.hostname === "") return undefined;
  if (password !== "" && url.password === "") url.password = encodeURIComponent(password);
  return url.href;
}

/** The signing key in PEM, undefined when none is given, an error that says what is wrong with it. */
export function privateKey({ JWT_PRIVATE_KEY: given }: Environment): string | undefined | Error {
  if (given === "") return undefined;
  const pem = given.replaceAll("\\n", "\n");
  try {
    const { asymmetricKeyType, asymmetricKeyDetails } = createPrivateKey(pem);
    const bits = asymmetricKeyDetails?.modulusLength ?? 0;
    if (asymmetricKeyType !== "rsa" || bits < 2048) return new Error("must be an RSA key of at least 2048 bits");
    return pem;
  } catch {
    return new Error("is not a private key in PEM");
  }
}
