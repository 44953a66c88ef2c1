/**
 * Numbers as the server writes them: whole numbers up to 2^53 in digits, `-0.0`, and all else by Grisu2 (Florian
 * Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with Integers", 2010) as rapidjson had it when
 * RethinkDB took it over.
 *
 * Grisu2 does not always find the nearest of the shortest texts: the server writes 0.1 + 0.2 as 0.30000000000000007.
 * All its texts read back as the same double. To give other bytes than the server would only make equal documents look
 * different; it would lose nothing.
 */

const wholeMax = 2 ** 53;

/** The text of a finite number. */
export function serverNumber(value: number): string {
  if (Object.is(value, -0)) return "-0.0";
  if (Number.isInteger(value) && Math.abs(value) <= wholeMax) return String(value);
  const sign = value < 0 ? "-" : "";
  return sign + grisu2(Math.abs(value));
}

/** A number as significand and binary exponent: f * 2^e, with f below 2^64. */
interface Float {
  f: bigint;
  e: number;
}

const hidden = 1n << 52n;
const mask64 = (1n << 64n) - 1n;
const view = new DataView(new ArrayBuffer(8));

function floatOf(value: number): Float {
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const exponent = Number(bits >> 52n);
  const fraction = bits & (hidden - 1n);
  if (exponent === 0) return { f: fraction, e: -1074 };
  return { f: fraction | hidden, e: exponent - 1075 };
}

function bitsOf(f: bigint): number {
  // Nearly all significands are of these two lengths; to count in general is slow.
  if (f >= hidden && f < hidden << 2n) return f < hidden << 1n ? 53 : 54;
  return f.toString(2).length;
}

function normalized({ f, e }: Float): Float {
  const shift = 64 - bitsOf(f);
  return { f: f << BigInt(shift), e: e - shift };
}

/** The product, rounded to 64 bits. */
function times(a: Float, b: Float): Float {
  const product = a.f * b.f;
  return { f: ((product >> 63n) + 1n) >> 1n, e: a.e + b.e + 64 };
}

const leastPower = -348;
const powers: Float[] = [];

/** 10^(8 i - 348), rounded to 64 bits. */
function power(i: number): Float {
  return (powers[i] ??= powerOfTen(8 * i + leastPower));
}

function powerOfTen(exponent: number): Float {
  const ten = 10n ** BigInt(Math.abs(exponent));
  // More bits than are kept, so that the last of them can be rounded.
  const spare = 1300;
  const exact = exponent < 0 ? (1n << BigInt(2 * spare)) / ten : ten << BigInt(spare);
  const e = exponent < 0 ? -2 * spare : -spare;
  const shift = bitsOf(exact) - 64;
  const f = ((exact >> BigInt(shift - 1)) + 1n) >> 1n;
  return { f, e: e + shift };
}

function grisu2(value: number): string {
  const v = floatOf(value);
  const plus = normalized({ f: (v.f << 1n) + 1n, e: v.e - 1 });
  const low =
    v.f === hidden ? { f: (v.f << 2n) - 1n, e: v.e - 2 } : { f: (v.f << 1n) - 1n, e: v.e - 1 };
  const minus = { f: low.f << BigInt(low.e - plus.e), e: plus.e };
  const k = Math.ceil((-61 - plus.e) * 0.30102999566398114 + 347);
  const index = (k >> 3) + 1;
  const scale = power(index);
  const middle = times(normalized(v), scale);
  const upper = times(plus, scale);
  const lower = times(minus, scale);
  const most = { f: upper.f - 1n, e: upper.e };
  const { digits, exponent } = digitsOf(middle.f, most, most.f - (lower.f + 1n));
  return laidOut(digits, exponent - (8 * index + leastPower));
}

/** The fewest digits of a number between `most` - `delta` and `most`, near `middle` if that is cheap to find. */
function digitsOf(
  middle: bigint,
  most: Float,
  delta: bigint,
): { digits: number[]; exponent: number } {
  const shift = BigInt(-most.e);
  const one = 1n << shift;
  const distance = most.f - middle;
  const digits: number[] = [];
  const whole = most.f >> shift;
  let rest = most.f & (one - 1n);
  let left = Number(whole);
  let kappa = String(left).length;
  while (kappa > 0) {
    const unit = 10 ** (kappa - 1);
    const digit = Math.floor(left / unit);
    left %= unit;
    if (digit > 0 || digits.length > 0) digits.push(digit);
    kappa -= 1;
    const remains = (BigInt(left) << shift) + rest;
    if (remains > delta) continue;
    approach(digits, delta, remains, BigInt(unit) << shift, distance);
    return { digits, exponent: kappa };
  }
  let scaledDelta = delta;
  for (;;) {
    rest = (rest * 10n) & mask64;
    scaledDelta = (scaledDelta * 10n) & mask64;
    const digit = Number(rest >> shift);
    if (digit > 0 || digits.length > 0) digits.push(digit);
    rest &= one - 1n;
    kappa -= 1;
    if (rest >= scaledDelta) continue;
    // The server has powers of ten up to 10^9 in a table, and finds zeros behind it.
    const scale = -kappa <= 9 ? 10n ** BigInt(-kappa) : 0n;
    approach(digits, scaledDelta, rest, one, (distance * scale) & mask64);
    return { digits, exponent: kappa };
  }
}

/** Lowers the last digit while that comes nearer to the middle. */
function approach(
  digits: number[],
  delta: bigint,
  from: bigint,
  unit: bigint,
  distance: bigint,
): void {
  let rest = from;
  while (
    rest < distance &&
    delta - rest >= unit &&
    (rest + unit < distance || distance - rest > rest + unit - distance)
  ) {
    digits[digits.length - 1]! -= 1;
    rest += unit;
  }
}

/** Digits times 10^exponent, in the form that the server chooses. */
function laidOut(list: number[], exponent: number): string {
  const digits = list.join("");
  const { length } = digits;
  const point = length + exponent;
  if (length <= point && point <= 21) return `${digits}${"0".repeat(exponent)}.0`;
  if (0 < point && point <= 21) return `${digits.slice(0, point)}.${digits.slice(point)}`;
  if (-6 < point && point <= 0) return `0.${"0".repeat(-point)}${digits}`;
  const fraction = length === 1 ? "" : `.${digits.slice(1)}`;
  return `${digits[0]}${fraction}e${point - 1}`;
}
