/** SendGrid's mail service: its key, its address, and how a mail gets there without its files in memory. */
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import sharedClient from "@sendgrid/client";
import type { ClientResponse } from "@sendgrid/client/src/response.js";
import type { MailDataRequired } from "@sendgrid/helpers/classes/mail.js";
import sharedService from "@sendgrid/mail";
import type { FileContent } from "./file-content.ts";
import { post } from "./http-post.ts";
import { requestBody } from "./sendgrid-body.ts";

export interface SendGrid {
  /**
   * Hands a mail over and returns the answer, whatever its status. The contents of its attachments are those of the
   * files, in order. Throws `PostFailure` when there is no answer; another error when nothing was sent.
   */
  send(mail: MailDataRequired, files: readonly FileContent[], signal: AbortSignal): Promise<ClientResponse>;
  close(): Promise<void>;
}

/**
 * Milliseconds that an idle connection is kept. SendGrid's documentation does not say how long it keeps one; a
 * `Keep-Alive` in its answers would go before.
 */
const idleMs = 10_000;

// What the packages export is one client and one service for the whole process.
const Client = sharedClient.constructor as new () => typeof sharedClient;
const Service = sharedService.constructor as new () => typeof sharedService;

export function openSendGrid({ apiKey, baseUrl }: { apiKey: string; baseUrl: string }): SendGrid {
  const Agent = baseUrl.startsWith("https:") ? HttpsAgent : HttpAgent;
  const agent = new Agent({ keepAlive: true, timeout: idleMs });
  return {
    async send(mail, files, signal) {
      const client = new Client();
      client.setDefaultHeader("Authorization", `Bearer ${apiKey}`);
      // The client's own would hold the whole request in memory, several times over.
      client.request = async (request) => {
        const url = new URL(`${baseUrl}${request.url ?? ""}`);
        const headers = client.createHeaders({});
        const answer = await post({ url, headers, body: requestBody(request.body, files), agent, signal });
        const response = { statusCode: answer.status, headers: answer.headers, body: parsed(answer.text) };
        return [response, response.body];
      };
      const service = new Service();
      service.setClient(client);
      const [response] = await service.send(mail);
      return response;
    },
    async close() {
      agent.destroy();
    },
  };
}

function parsed(text: string): object {
  // Of what is accepted there is none: throwing an error away costs more than all else here.
  if (text === "") return {};
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" && body !== null ? body : {};
  } catch {
    return {}; // a proxy's page
  }
}
