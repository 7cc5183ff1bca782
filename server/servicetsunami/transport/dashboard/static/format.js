// Words values for people: short, in the reader's own language and time zone.

const COUNT = new Intl.NumberFormat();
const SHORT = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

export const count = (value) => (value === undefined || value === null ? "–" : COUNT.format(value));
export const short = (value) => SHORT.format(value);
export const moment = (text) => MOMENT.format(new Date(text));
export const clock = (ms) => CLOCK.format(new Date(ms));
export const day = (ms) => DAY.format(new Date(ms));

export function bytes(value) {
  if (value === undefined || value === null) return "–";
  let left = value;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (left < 1000) return `${left < 10 && unit !== "B" ? left.toFixed(1) : Math.round(left)} ${unit}`;
    left /= 1000;
  }
  return `${left.toFixed(1)} TB`;
}

export function lasting(seconds) {
  if (seconds === undefined || seconds === null) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

// How long ago, or how soon.
export function since(text, now = Date.now()) {
  const seconds = (now - new Date(text).getTime()) / 1000;
  if (Math.abs(seconds) < 5) return "now";
  const words = lasting(Math.abs(seconds) < 10 ? Math.round(Math.abs(seconds)) : Math.abs(seconds));
  return seconds > 0 ? `${words.replace(".0", "")} ago` : `in ${words.replace(".0", "")}`;
}

export const plural = (number, one, many) => `${count(number)} ${number === 1 ? one : many}`;
