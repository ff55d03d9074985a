/** The words of the CRM, for whoever checks or shows them. */
export * from "../resources/crm-values.ts";
