/** The API for tokens and senders: administrators only. */
import { http } from "#runtime";
import { proxyStyle } from "#lib/proxy-style.ts";

export const authApi = http.style(proxyStyle);
