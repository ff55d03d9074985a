/** Texts in the charsets of the region and others, with their bytes. */
import { hex } from "./case.ts";

export interface Sample {
  text: string;
  bytes: Buffer;
}

/** Its first three characters end in 5C, the backslash of ASCII. */
export const big5: Sample = {
  text: "許功蓋醫師：本院七樓病房已備妥，請於下午三時前辦理住院。",
  bytes: hex(
    "b35ca55cbb5cc2e5ae76a147a5bbb07ca443bcd3af66a9d0a477b3c6a7b4a141bdd0a9f3a455a4c8a454aec9ab65bfecb27aa6edb07ca143",
  ),
};

export const big5Subject: Sample = { text: "圓山大飯店訂房確認", bytes: hex("b6eaa473a46ab6baa9b1ad71a9d0bd54bb7b") };

export const big5Name: Sample = { text: "許功蓋", bytes: hex("b35ca55cbb5c") };

export const big5File: Sample = { text: "住院許可.pdf", bytes: hex("a6edb07cb35ca5692e706466") };

/** With a character of four bytes. */
export const gb18030: Sample = {
  text: "酒店预订确认：𠮷田先生，房费€100。",
  bytes: hex("bec6b5ead4a4b6a9c8b7c8cfa3ba9534b235ccefcfc8c9faa3acb7bfb7d1a2e3313030a1a3"),
};

export const gbk: Sample = {
  text: "医院挂号通知：张医生下午三点出诊。",
  bytes: hex("d2bdd4bab9d2bac5cda8d6aaa3bad5c5d2bdc9facfc2cee7c8fdb5e3b3f6d5efa1a3"),
};

export const iso2022Jp: Sample = {
  text: "ホテル予約確認：田中様、病院の近くです。",
  bytes: hex("1b2442255b2546256b4d3d4c73334e47272127454443664d4d212249423121244e3661242f2447243921231b2842"),
};

/** With bytes of 5C, too. */
export const shiftJis: Sample = {
  text: "予約表：ソウル能登ホテル、十階。",
  bytes: hex("975c96f1955c8146835c8345838b945c936f837a8365838b81418f5c8a4b8142"),
};

export const eucJp: Sample = {
  text: "病院からのお知らせ：面会は三時まで。",
  bytes: hex("c9c2b1a1a4aba4e9a4cea4aac3cea4e9a4bba1a7ccccb2f1a4cfbbb0bbfea4dea4c7a1a3"),
};

export const eucKr: Sample = {
  text: "호텔 예약 확인서입니다.",
  bytes: hex("c8a3c5da20bfb9bee020c8aec0cebcadc0d4b4cfb4d92e"),
};

export const windows1252: Sample = {
  text: "“Hôtel de l’Étoile” – 100 €…",
  bytes: hex("9348f474656c206465206c92c9746f696c6594209620313030208085"),
};

export const koi8: Sample = {
  text: "Больница: приём в три часа.",
  bytes: hex("e2cfccd8cec9c3c13a20d0d2c9a3cd20d720d4d2c920dec1d3c12e"),
};

/** Text with the characters that mail has trouble with. */
export const emoji = "👩🏽‍⚕️ 明日 🏥 探病 👨‍👩‍👧‍👦 🇹🇼 𠮷野家";
