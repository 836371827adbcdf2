// tardis-dev's own feeds follow an order book of the simulated venues whose present protocol they speak; every book they
// build is compared with the simulator's true books. Only addresses are overridden, in the text of its modules.
// Usage: node tardis_watch.cjs READY_JSON SECONDS; prints a line per venue, exits with 1 when something is wrong.
const { readFileSync } = require('node:fs');
const Module = require('node:module');
const { basename } = require('node:path');

const ready = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const seconds = Number(process.argv[3]);
// Kraken's feed speaks the retired v1, and it knows none of the other Korean venues.
const FEEDS = [
  ['upbit', 'upbit', 'KRW-BTC', 'BTC-KRW'],
  ['okx', 'okex', 'BTC-USDT', 'BTC-USDT'],
  ['bybit', 'bybit-spot', 'BTCUSDT', 'BTC-USDT'],
  ['gateio', 'gate-io', 'BTC_USDT', 'BTC-USDT'],
  ['binance', 'binance', 'btcusdt', 'BTC-USDT'],
];
const MODULES = { 'okex.js': 'okx', 'bybit.js': 'bybit', 'gateio.js': 'gateio', 'binance.js': 'binance', 'upbit.js': 'upbit' };
const compile = Module.prototype._compile;
Module.prototype._compile = function (source, file) {
  const venue = file.includes('realtimefeeds') ? MODULES[basename(file)] : undefined;
  if (!venue) return compile.call(this, source, file);
  const { ws_url, rest_url } = ready.venues[venue];
  return compile.call(this, source
    .replaceAll(/wss:\/\/[^/']*/g, /^wss?:\/\/[^/]*/.exec(ws_url)[0])
    .replaceAll(/https:\/\/[^/']*/g, rest_url), file);
};
const { OrderBook, normalizeBookChanges, streamNormalized } = require('tardis-dev');

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const end = Date.now() + seconds * 1000;

const check = async ([venue, exchange, symbol, pair]) => {
  const failures = [];
  const books = [];
  const truths = new Map();
  const poll = async () => {
    while (Date.now() < end + 300) {
      const text = await (await fetch(`${ready.control_url}/v1/books/${venue}/${pair}`)).text();
      if (!truths.has(text)) truths.set(text, JSON.parse(text));
      await pause(3);
    }
  };
  const watch = async () => {
    const book = new OrderBook();
    const messages = streamNormalized({ exchange, symbols: [symbol], onError: (e) => failures.push(e.message.slice(0, 200)) },
      normalizeBookChanges);
    for await (const message of messages) {
      if (Date.now() > end) return;
      book.update(message);
      const side = (levels) => [...levels].slice(0, 20).map((level) => [level.price, level.amount]);
      books.push([side(book.bids()), side(book.asks())]);
    }
  };
  await Promise.all([poll(), Promise.race([watch(), pause(seconds * 1000 + 200)]).catch((e) => failures.push(e.message))]);

  const begins = (whole, part) => part.length > 0 && part.every(([p, s], i) => p === whole[i]?.[0] && s === whole[i]?.[1]);
  const known = [...truths.values()];
  const equal = books.filter(([bids, asks]) => known.some((t) => begins(t.bids, bids) && begins(t.asks, asks))).length;
  if (books.length < 5) failures.push(`only ${books.length} books`);
  // Between two polls a book may come and go; most must have been seen.
  if (equal < books.length * 0.8) failures.push(`only ${equal} of ${books.length} books were among the true ones`);
  console.log(`tardis-dev ${venue}: ${books.length} books, ${equal} equal to the true ones`
    + (failures.length ? `, FAILED: ${[...new Set(failures)].slice(0, 5).join('; ')}` : ''));
  return failures.length === 0;
};

Promise.all(FEEDS.map(check)).then((good) => process.exit(good.every(Boolean) ? 0 : 1));
