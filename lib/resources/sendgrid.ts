/** The SendGrid client: its key, its address, and how long it waits. */
import sharedClient from "@sendgrid/client";
import sharedService from "@sendgrid/mail";

export type SendGrid = typeof sharedService;

/** Milliseconds until a request is given up. Whether it arrived is then unknown. */
const timeoutMs = 30_000;

/** A client of our own: what the packages export is one that a whole process would share. */
export function openSendGrid({ apiKey, baseUrl }: { apiKey: string; baseUrl: string }): SendGrid {
  const Client = sharedClient.constructor as new () => typeof sharedClient;
  const Service = sharedService.constructor as new () => SendGrid;
  const client = new Client();
  client.setApiKey(apiKey);
  client.setDefaultRequest("baseUrl", `${baseUrl}/`);
  const service = new Service();
  service.setClient(client);
  service.setTimeout(timeoutMs);
  return service;
}
