/** As whom a mail leaves by Microsoft Graph. */

export interface GraphAccount {
  /** The mailbox that sends: the mail's sender. */
  readonly mailbox: string;
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
}
