/** A report such as a hotel's marketing makes, for tests. */
import type { Report, Row, Section } from "./report.ts";

export function campaigns(rows: Section["rows"]): Section {
  return {
    heading: "活動成效",
    columns: [
      { title: "活動名稱", kind: "text" },
      { title: "發送日", kind: "date" },
      { title: "發送數", kind: "integer" },
      { title: "開啟率", kind: "percent" },
      { title: "點擊率", kind: "percent" },
      { title: "消費金額", kind: "money" },
    ],
    rows,
    chart: { kind: "bar", title: "各活動的開啟率與點擊率", labels: 0, values: [3, 4] },
  };
}

export const campaignRows: readonly Row[] = [
  ["中秋送禮 KOL", "2025-09-05", 12458, 80, 40.2, 1234567],
  [
    "週年慶住房專案：平日雙人房送早餐、下午茶與溫泉券，數量有限，售完為止，歡迎會員提早預約",
    "2025-09-12",
    8801,
    68.5,
    42.3,
    90210,
  ],
  ['=HYPERLINK("http://evil.example","點我")', "2025-09-20", 100, null, 0, null],
  ['🎉 國慶連假 <優惠> & "早鳥"', "2025-09-28", 3020, 55.1, 12.5, 45000],
];

export function trends(days: number): Section {
  const rows = Array.from({ length: days }, (_, day): Row => {
    const date = new Date(Date.UTC(2025, 8, 1 + day)).toISOString().slice(0, 10);
    const sent = 120 + Math.round(60 * Math.sin(day / 4));
    return [date, sent, day === 9 ? null : Math.round(sent * 0.7), Math.round(sent * 0.4)];
  });
  return {
    heading: "趨勢",
    columns: [
      { title: "日期", kind: "date" },
      { title: "發送數", kind: "integer" },
      { title: "開啟數", kind: "integer" },
      { title: "點擊數", kind: "integer" },
    ],
    rows,
    chart: { kind: "line", title: "每日發送、開啟與點擊", labels: 0, values: [1, 2, 3] },
  };
}

export function reportOf(...sections: Section[]): Report {
  return { title: "活動成效報表", period: "2025-09-01 至 2025-10-01", sections };
}

/** Rows without an end; something happens at one of them. */
export function endlessRows(at: number, happen: () => void): { rows: AsyncGenerator<Row>; isClosed: () => boolean } {
  let isClosed = false;
  async function* rows(): AsyncGenerator<Row> {
    try {
      for (let row = 0; ; row++) {
        if (row === at) happen();
        yield ["中秋送禮", "2025-09-05", row, null, null, null];
      }
    } finally {
      isClosed = true;
    }
  }
  return { rows: rows(), isClosed: () => isClosed };
}
