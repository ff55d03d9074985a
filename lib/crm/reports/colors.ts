/** Colours of a chart's series that colour-blind people can tell apart (Okabe and Ito, Color Universal Design). */
export const seriesColors = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9"] as const;
