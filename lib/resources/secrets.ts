/** Secrets at rest: sealed with AES-256-GCM for the one place where they are kept. */
import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes } from "node:crypto";
import { keyFile, readKeyFile } from "./key-file.ts";

export interface Secrets {
  /**
   * Seals a secret with the first key. `place` names where it is kept (`email_sender_configs:<id>`) and is
   * authenticated: what is copied to another place does not open there.
   */
  seal(plain: string, place: string): string;
  /** Throws `SecretFault` for what no key here opens, was changed, or was sealed for another place. */
  open(sealed: string, place: string): string;
  /** Whether it was sealed with the first key. */
  isCurrent(sealed: string): boolean;
  /**
   * Codes that only a holder of the keys can make of a text (HMAC-SHA256, 32 bytes): one under each key, the first
   * key's first. `purpose` keeps those of one use from being taken for another's.
   */
  macs(text: string, purpose: string): readonly [Buffer, ...Buffer[]];
  /** Id of the first key: the start of its SHA-256, which tells keys apart and nothing about them. */
  readonly keyId: string;
}

export interface SecretsOptions {
  /** 32 bytes each: the first seals, all of them open. */
  keys: readonly Buffer[];
  /** Where a key of our own is kept when none is given. Once it is there it opens what it sealed, also beside others. */
  file: string;
}

/** Says why a sealed secret does not open; never what is in it. */
export class SecretFault extends Error {
  override name = "SecretFault";
}

/** Sealed text: `v1.<key id>.<IV, ciphertext and tag in base64url>`. */
const version = "v1";
const ivBytes = 12;
const tagBytes = 16;

export async function openSecrets({ keys, file }: SecretsOptions): Promise<Secrets> {
  const own = keys.length === 0 ? await keyFile(file, newKey) : await readKeyFile(file);
  const ring = own === undefined ? keys : [...keys, decodeOwn(own, file)];
  const byId = new Map(ring.map((key) => [idOf(key), key]));
  const [first] = byId;
  if (!first) throw new Error("There is no key to seal secrets with.");
  const [keyId, sealing] = first;
  /** Keys of each purpose: a key serves one algorithm (NIST SP 800-57, 5.2). */
  const macKeys = new Map<string, readonly [Buffer, ...Buffer[]]>();
  const keysFor = (purpose: string) => {
    const derive = (key: Buffer) => Buffer.from(hkdfSync("sha256", key, "", purpose, 32));
    const [, ...others] = byId.values();
    const derived = macKeys.get(purpose) ?? ([derive(sealing), ...others.map(derive)] as const);
    macKeys.set(purpose, derived);
    return derived;
  };

  return {
    keyId,
    seal(plain, place) {
      const head = `${version}.${keyId}`;
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv("aes-256-gcm", sealing, iv).setAAD(context(head, place));
      const parts = [iv, cipher.update(plain, "utf8"), cipher.final(), cipher.getAuthTag()];
      return `${head}.${Buffer.concat(parts).toString("base64url")}`;
    },
    open(sealed, place) {
      const { head, keyId: sealedWith, bytes } = read(sealed);
      const key = byId.get(sealedWith);
      if (!key) throw new SecretFault(`it was sealed with the key ${sealedWith}, which is not in ENCRYPTION_KEY`);
      const iv = bytes.subarray(0, ivBytes);
      const end = bytes.length - tagBytes;
      try {
        const decipher = createDecipheriv("aes-256-gcm", key, iv, { authTagLength: tagBytes });
        decipher.setAAD(context(head, place)).setAuthTag(bytes.subarray(end));
        return Buffer.concat([decipher.update(bytes.subarray(ivBytes, end)), decipher.final()]).toString();
      } catch {
        throw new SecretFault("it was changed, or sealed for another place");
      }
    },
    macs(text, purpose) {
      const mac = (key: Buffer) => createHmac("sha256", key).update(text, "utf8").digest();
      const [key, ...others] = keysFor(purpose);
      return [mac(key), ...others.map(mac)];
    },
    isCurrent: (sealed) => sealed.startsWith(`${version}.${keyId}.`),
  };
}

function read(sealed: string): { head: string; keyId: string; bytes: Buffer } {
  const [, head, keyId, body] = /^(v1\.([\da-f]{8}))\.([\w-]+)$/.exec(sealed) ?? [];
  const bytes = Buffer.from(body ?? "", "base64url");
  if (head === undefined || keyId === undefined || bytes.length < ivBytes + tagBytes)
    throw new SecretFault("it is not a sealed secret");
  return { head, keyId, bytes };
}

/** What is authenticated beside the secret: its format and key, and its place. */
function context(head: string, place: string): Buffer {
  return Buffer.from(`${head}\n${place}`);
}

function idOf(key: Buffer): string {
  return createHash("sha256").update(key).digest("hex").slice(0, 8);
}

function newKey(): string {
  return `${randomBytes(32).toString("base64")}\n`;
}

/** The file has what ENCRYPTION_KEY takes. */
function decodeOwn(text: string, file: string): Buffer {
  const key = Buffer.from(text.trim(), "base64");
  if (key.length !== 32) throw new Error(`${file} is not a key: 32 bytes in base64 are expected.`);
  return key;
}
