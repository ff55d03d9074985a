import { Type } from "typebox";
import { anyone, fileIn, fileOf, problems } from "#runtime";
import { titles } from "#lib/crm/analytics/exports/content.ts";
import {
  files,
  linkHasEnded,
  notALink,
  reportFailed,
  reportFolder,
  reportNotReady,
} from "#lib/crm/analytics/exports/export.ts";
import { openReport } from "#lib/crm/analytics/exports/exports.ts";
import { downloadPath } from "#lib/crm/analytics/exports/link.ts";
import { crmApi } from "../_api.ts";

export default crmApi
  .get(`${downloadPath}:link`, {
    summary: "Download a report by its signed link",
    description: "The link is from `POST /analytics/export`. It needs no token.",
    access: anyone,
    params: Type.Object({ link: Type.String({ maxLength: 200 }) }),
    returns: fileOf("application/*"),
    problems: [notALink, reportNotReady, linkHasEnded, reportFailed, problems.unavailable],
  })
  .handle(async ({ params }, ctx) => {
    const { file, report_type, format, start_date, end_date } = await openReport(ctx, params.link);
    const { ending, type } = files[format];
    const saveAs = `${titles[report_type]} ${start_date} ${end_date}.${ending}`;
    return fileIn(reportFolder(ctx), file, { type, saveAs, cacheControl: "private, no-store" });
  });
