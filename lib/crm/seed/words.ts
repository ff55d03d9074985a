/** What an invented hotel is made of. Nobody is meant: addresses end in .example (RFC 2606). */

/** Surnames with their romanisation, and how many of a thousand in Taiwan have them (Ministry of the Interior, 2018). */
const surnames = `陳 chen 111,林 lin 83,黃 huang 60,張 chang 53,李 li 51,王 wang 41,吳 wu 40,劉 liu 32,蔡 tsai 29,楊 yang 26,
許 hsu 23,鄭 cheng 19,謝 hsieh 18,洪 hung 15,郭 kuo 15,邱 chiu 15,曾 tseng 14,廖 liao 14,賴 lai 13,徐 hsu 13,周 chou 12,
葉 yeh 12,蘇 su 11,莊 chuang 10,呂 lu 9,江 chiang 9,何 ho 9,蕭 hsiao 8,羅 lo 8,高 kao 8,潘 pan 7,簡 chien 7,朱 chu 6,
鍾 chung 6,游 yu 6,彭 peng 6,詹 chan 5,胡 hu 5,施 shih 5,沈 shen 5,余 yu 5,盧 lu 4,梁 liang 4,趙 chao 4,顏 yen 4,
柯 ko 4,翁 weng 4,魏 wei 4,孫 sun 4,戴 tai 4,范 fan 3,方 fang 3,宋 sung 3,鄧 teng 2,歐陽 ouyang 1`;

const given = `小 hsiao,大 ta,明 ming,華 hua,文 wen,志 chih,家 chia,俊 chun,建 chien,宗 tsung,雅 ya,淑 shu,美 mei,怡 yi,佳 chia,
婷 ting,雯 wen,君 chun,慧 hui,玲 ling,宏 hung,偉 wei,豪 hao,傑 chieh,翔 hsiang,宇 yu,承 cheng,冠 kuan,柏 po,廷 ting,
詩 shih,涵 han,庭 ting,欣 hsin,心 hsin,芳 fang,惠 hui,秀 hsiu,如 ju,珊 shan,瑜 yu,萱 hsuan,安 an,恩 en,睿 jui,哲 che,
穎 ying,筠 yun,晴 ching,昕 hsin,彥 yen,凱 kai,毅 yi,德 te,榮 jung,國 kuo,正 cheng,信 hsin,義 yi,和 ho`;

const parts = (list: string) => list.split(",").map((entry) => entry.trim().split(" "));

/** Each as often as it is borne: the place in the list decides. */
export const surnameLots = parts(surnames).flatMap(([character = "", roman = "", lots = "0"]) =>
  Array.from({ length: Number(lots) }, () => ({ character, roman })),
);
export const givenCharacters = parts(given).map(([character = "", roman = ""]) => ({ character, roman }));

export const mailDomains = [
  "gmail",
  "gmail",
  "gmail",
  "gmail",
  "gmail",
  "yahoo",
  "yahoo",
  "hotmail",
  "icloud",
  "hinet",
].map((name) => `${name}.example`);

export const nicknameEndings = ["的日常", "愛旅行", "♪", "吃吃喝喝", " Travel", "🌸", "在路上", "媽咪", "", "", "", ""];

export const rooms = [
  { type: "標準單人房", price: 3200 },
  { type: "標準雙人房", price: 4200 },
  { type: "商務雙人房", price: 6000 },
  { type: "豪華雙人房", price: 7800 },
  { type: "家庭四人房", price: 9800 },
  { type: "湖景套房", price: 15_800 },
  { type: "總統套房", price: 38_000 },
];

/** Tags of members: the share that has them. */
export const memberTags = [
  ["一般會員", 0.46],
  ["VIP會員", 0.03],
  ["商務客", 0.12],
  ["家庭客", 0.17],
  ["蜜月旅客", 0.02],
  ["生日禮", 0.08],
  ["溫泉愛好者", 0.11],
  ["美食愛好者", 0.14],
  ["高爾夫", 0.015],
  ["寵物友善", 0.04],
  ["素食", 0.05],
  ["高樓層偏好", 0.06],
  ["長住客", 0.008],
  ["企業簽約", 0.02],
  ["旅行社", 0.01],
  ["國外旅客", 0.05],
  ["黑卡", 0.0008],
  ["員工親友", 0.0002],
] as const;

export const autoResponses = [
  { name: "歡迎訊息", type: "welcome", content: "歡迎加入！回覆「優惠」看看本月的住房方案。", keywords: [] },
  {
    name: "訂房",
    type: "keyword",
    content: "線上訂房請至官網，或來電由專人服務。",
    keywords: ["訂房", "預約", "住宿", "空房"],
  },
  { name: "優惠", type: "keyword", content: "本月住房八折，平日再送下午茶。", keywords: ["優惠", "折扣", "活動"] },
  { name: "停車", type: "keyword", content: "住客免費停車，B1 至 B3。", keywords: ["停車", "車位"] },
  { name: "早餐", type: "keyword", content: "早餐 06:30–10:00，於二樓餐廳。", keywords: ["早餐", "餐廳"] },
  { name: "夜間", type: "time", content: "客服時間為 08:00–22:00，我們會盡快回覆您。", keywords: [] },
] as const;

export const questions = [
  "請問還有空房嗎？",
  "可以延後退房嗎？",
  "早餐幾點開始？",
  "有停車位嗎？",
  "可以加床嗎？",
  "謝謝！",
  "想改訂房日期",
];
export const answers = [
  "您好，有的，歡迎訂房。",
  "已為您備註，期待您的光臨。",
  "早餐 06:30 開始供應。",
  "住客免費停車。",
  "不客氣！",
];

export interface SeedCampaign {
  title: string;
  /** How many days ago it was sent; less than 0: it is to be sent then; undefined: a draft. */
  daysAgo: number | undefined;
  /** Names of tags; undefined: all. */
  tags?: readonly string[];
  opened: number;
  clicked: number;
}

const sent = (daysAgo: number, title: string, clicked: number, ...tags: string[]): SeedCampaign => ({
  title,
  daysAgo,
  clicked,
  opened: clicked * 1.6,
  ...(tags.length > 0 && { tags }),
});

export const campaigns: readonly SeedCampaign[] = [
  sent(690, "農曆新年住房專案", 0.06),
  sent(630, "賞櫻溫泉之旅", 0.09, "溫泉愛好者"),
  sent(560, "母親節饗宴", 0.11, "家庭客", "美食愛好者"),
  sent(520, "暑期親子假期", 0.08, "家庭客"),
  sent(450, "中秋活動", 0.13, "VIP會員", "商務客"),
  sent(400, "週年慶早鳥", 0.07, "商務客"),
  sent(350, "跨年煙火套房", 0.15, "VIP會員"),
  sent(300, "春季踏青", 0.05, "家庭客", "寵物友善"),
  sent(250, "美食節餐券", 0.1, "美食愛好者"),
  sent(200, "父親節高爾夫", 0.12, "高爾夫"),
  sent(160, "商務旅客升等", 0.09, "商務客", "企業簽約"),
  sent(120, "溫泉季開湯", 0.1, "溫泉愛好者"),
  sent(88, "秋楓之旅", 0.08, "溫泉愛好者", "高樓層偏好"),
  sent(61, "壽星住房禮", 0.18, "生日禮"),
  sent(47, "中秋烤肉派對", 0.09, "家庭客"),
  sent(33, "雙十連假", 0.07, "美食愛好者"),
  sent(24, "VIP 之夜", 0.22, "VIP會員"),
  sent(12, "週末限時快閃", 0.06),
  sent(5, "聖誕早鳥", 0.08, "商務客", "家庭客"),
  sent(2, "素食饗宴", 0.11, "素食"),
  { title: "尾牙專案", daysAgo: -3, tags: ["企業簽約"], opened: 0, clicked: 0 },
  { title: "過年圍爐", daysAgo: -20, opened: 0, clicked: 0 },
  { title: "春節住房（草稿）", daysAgo: undefined, opened: 0, clicked: 0 },
];
