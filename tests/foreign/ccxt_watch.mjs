// ccxt's own classes watch a ticker and an order book of each simulated venue it knows, and every book they build is
// compared with the simulator's true books. Only addresses are overridden.
// Usage: node ccxt_watch.mjs READY_JSON SECONDS VENUE; prints one line, exits with 1 when something is wrong.
import { readFileSync } from 'node:fs';
import ccxt from 'ccxt';

const [readyFile, seconds, venue] = process.argv.slice(2);
const ready = JSON.parse(readFileSync(readyFile, 'utf8'));
const { ws_url, rest_url } = ready.venues[venue];
const quote = ['upbit', 'bithumb', 'coinone'].includes(venue) ? 'KRW' : venue === 'kraken' ? 'USD' : 'USDT';
const symbol = `BTC/${quote}`;

const addresses = (node) => {
  if (typeof node === 'string') {
    const at = /^(wss|https):\/\/[^/]*(.*)$/.exec(node);
    if (!at) return node;
    return (at[1] === 'wss' ? ws_url.replace(/^(wss?:\/\/[^/]*).*$/, '$1') : rest_url) + at[2];
  }
  if (node === null || typeof node !== 'object') return node;
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, addresses(value)]));
};
const connect = async () => {
  const exchange = new ccxt.pro[venue === 'gateio' ? 'gate' : venue]({ newUpdates: true, options: { defaultType: 'spot' } });
  exchange.options.fetchMarkets = Array.isArray(exchange.options.fetchMarkets) ? ['spot'] : { types: ['spot'] };
  exchange.has.fetchCurrencies = false;  // needs keys, or lists deposits, which no market data needs
  await exchange.loadHttpProxyAgent();  // what ccxt asks for before plain ws:// addresses
  exchange.urls.api = addresses(exchange.urls.api);
  await exchange.loadMarkets();
  return exchange;
};

let end = 0;
let exchange;
let tickerExchange;
const failures = [];
const truths = [];
const books = [];
let tickers = 0;

const poll = async () => {
  while (Date.now() < end + 300) {
    const answer = await fetch(`${ready.control_url}/v1/books/${venue}/BTC-${quote}`);
    const text = await answer.text();
    const last = truths.at(-1);
    if (!last || last.text !== text) truths.push({ text, ...JSON.parse(text) });
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
};
const watch = async (what, f) => {
  while (Date.now() < end) {
    try {
      await Promise.race([f(), new Promise((_, no) => setTimeout(() => no(new Error('silent for 8 s')), 8000))]);
    } catch (e) {
      failures.push(`${what}: ${e.constructor.name} ${e.message}`.slice(0, 300));
      return;
    }
  }
};
const pairs = (side) => side.map(([price, size]) => [Number(price), Number(size)]);

try {
  exchange = await connect();
  // At Bithumb a second subscribe on a connection replaces the first, which ccxt does not know.
  tickerExchange = venue === 'bithumb' ? await connect() : exchange;
  end = Date.now() + Number(seconds) * 1000;
  await Promise.all([
    poll(),
    watch('watchOrderBook', async () => {
      const book = await exchange.watchOrderBook(symbol);
      books.push({ nonce: book.nonce, timestamp: book.timestamp, bids: pairs(book.bids), asks: pairs(book.asks) });
    }),
    watch('watchTicker', async () => {
      const ticker = await tickerExchange.watchTicker(symbol);
      if (!(ticker.last > 0)) throw new Error(`last is ${ticker.last}`);
      if (ticker.low !== undefined && !(ticker.low <= ticker.last && ticker.last <= ticker.high)) {
        throw new Error(`last ${ticker.last} outside ${ticker.low}..${ticker.high}`);
      }
      tickers += 1;
    }),
  ]);
} catch (e) {
  failures.push(`${e.constructor.name} ${e.message}`.slice(0, 400));
}
for (const one of new Set([exchange, tickerExchange])) await one?.close().catch(() => {});

// A client may cut its book; what it has must be the true book, level by level.
const same = (ours, truth) => ['bids', 'asks'].every((side) => {
  const n = Math.min(ours[side].length, truth[side].length);
  return n > 0 && ours[side].slice(0, n).every(([p, s], i) => p === truth[side][i][0] && s === truth[side][i][1]);
});
// By the venue's sequence where it has one, else among all the true books that were seen.
let equal = 0;
for (const book of books) {
  const numbered = truths.filter((t) => t.sequence !== null && t.sequence === book.nonce);
  if ((numbered.length > 0 ? numbered : truths).some((t) => same(book, t))) {
    equal += 1;
  } else if (numbered.length > 0) {
    failures.push(`the book at sequence ${book.nonce} is not the true one`);
  }
}
if (books.length < 5) failures.push(`only ${books.length} books`);
if (tickers < 1) failures.push('no ticker');
// Between two polls a book may come and go; most must have been seen.
if (equal < books.length * 0.8) failures.push(`only ${equal} of ${books.length} books were among the true ones`);
console.log(`ccxt ${ccxt.version} ${venue}: ${books.length} books, ${equal} equal to the true ones, ${tickers} tickers`
  + (failures.length ? `, FAILED: ${[...new Set(failures)].slice(0, 5).join('; ')}` : ''));
process.exit(failures.length ? 1 : 0);
