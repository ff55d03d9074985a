/** What the routes of exports have in common. */
import { Type } from "typebox";

export const ReportType = Type.Union([
  Type.Literal("campaign_performance"),
  Type.Literal("overview"),
  Type.Literal("tag_distribution"),
  Type.Literal("trends"),
]);
export const Format = Type.Union([Type.Literal("excel"), Type.Literal("pdf")]);
export const ExportStatus = Type.Union([
  Type.Literal("pending"),
  Type.Literal("running"),
  Type.Literal("completed"),
  Type.Literal("failed"),
]);
