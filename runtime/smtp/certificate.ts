/** A certificate and its key: read, checked against each other, and read again when their files change. */
import { X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import type { Logger } from "../context.ts";
import { OperatorError } from "../house.ts";
import type { CertificateFiles } from "../smtp.ts";

export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** When clients stop believing it. Of a chain, the first, which is the server's own. */
  readonly expiresAt: Date;
}

/** How often the files are looked at, in milliseconds. */
const lookEveryMs = 1000;

/** Throws a sentence for whoever runs the system when a file is missing, or the two do not fit. */
export async function readCertificate({ certFile, keyFile }: CertificateFiles): Promise<Certificate> {
  const read = (file: string) =>
    readFile(file).catch((cause: unknown) => {
      throw new OperatorError(`The file ${file} of the SMTP certificate cannot be read.`, { cause });
    });
  const [cert, key] = await Promise.all([read(certFile), read(keyFile)]);
  try {
    createSecureContext({ cert, key });
    return { cert, key, expiresAt: new X509Certificate(cert).validToDate };
  } catch (cause) {
    throw new OperatorError(`${certFile} and ${keyFile} are no certificate in PEM and its key.`, { cause });
  }
}

export interface OpenCertificate {
  readonly current: Certificate;
  close(): void;
}

/**
 * Reads the files, and tells whenever they have changed. They are written one after the other: until they fit again,
 * the old certificate stays. Throws as `readCertificate`.
 */
export async function openCertificate(
  files: CertificateFiles,
  { changed, log }: { changed: (certificate: Certificate) => void; log: Logger },
): Promise<OpenCertificate> {
  let used = await stateOf(files);
  let refused = "";
  let closed = false;
  let current = await readCertificate(files);

  async function look(): Promise<void> {
    const state = await stateOf(files);
    if (closed || state === used || state === refused) return;
    try {
      current = await readCertificate(files);
      used = state;
      if (!closed) changed(current);
      log.info({ file: files.certFile }, "the SMTP certificate has changed and is used from now on");
    } catch (error) {
      refused = state;
      log.error({ err: error }, "the SMTP certificate has changed and cannot be used: the old one stays");
    }
  }

  const timer = setInterval(() => void look(), lookEveryMs).unref();
  return {
    get current() {
      return current;
    },
    close() {
      closed = true;
      clearInterval(timer);
    },
  };
}

/** Behind symbolic links as well: by those, certificates are renewed. */
async function stateOf({ certFile, keyFile }: CertificateFiles): Promise<string> {
  const states = [certFile, keyFile].map(async (file) => {
    const found = await stat(file).catch(() => undefined);
    return found ? `${found.dev}:${found.ino}:${found.size}:${found.mtimeMs}` : "missing";
  });
  return (await Promise.all(states)).join(" ");
}
