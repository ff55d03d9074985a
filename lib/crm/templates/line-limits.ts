/**
 * The most that LINE takes, from the reference of its Messaging API.
 * https://developers.line.biz/en/reference/messaging-api/#message-objects
 */
export const lineLimits = {
  /** UTF-16 code units. */
  text: 5000,
  /** 1,500 today; accounts were moved from 400, which is what the column holds. */
  altText: 400,
  /** Without an image and a title. */
  buttons: { actions: 4, text: 160, label: 20 },
  carousel: { columns: 10, title: 40, textBesideImage: 60 },
  /** Bytes of JSON; bubbles of a carousel. */
  flex: { bubbles: 12, bubbleBytes: 30 * 1024, carouselBytes: 50 * 1024, label: 40 },
  imageUrl: 2000,
  uri: 1000,
  postbackData: 300,
  displayText: 300,
} as const;
