"""The venues' own and best known Python clients follow a ticker and an order book of a simulated venue each: python-binance
over its depth cache, python-kraken-sdk, which verifies every checksum, Gate's REST SDK, and at Upbit the library and
the request that the venue's documentation shows. Every book is compared with the simulator's true books. Only addresses
are overridden.

Usage: sdk_watch.py READY_JSON SECONDS; prints a line per venue, exits with 1 when something is wrong.
"""
import asyncio
import json
import logging
import sys
import threading
import time
import urllib.request
from decimal import Decimal

import gate_api
import kraken.base_api
import kraken.spot.websocket
import websocket
from binance import AsyncClient, BinanceSocketManager
from binance.ws.depthcache import DepthCacheManager
from kraken.spot import SpotOrderBookClient, SpotWSClient

ready = json.load(open(sys.argv[1], encoding="utf-8"))
seconds = float(sys.argv[2])
end = time.time() + seconds
PAIRS = {"upbit": "BTC-KRW", "gateio": "BTC-USDT", "binance": "BTC-USDT", "kraken": "BTC-USD"}
LEVELS = 10
truths = {venue: set() for venue in PAIRS}
books = {venue: [] for venue in PAIRS}
tickers = dict.fromkeys(PAIRS, 0)
complaints = {venue: [] for venue in PAIRS}


def key(bids, asks):
    def side(levels, down):
        numbers = sorted(((Decimal(str(p)), Decimal(str(s))) for p, s in levels), reverse=down)
        return tuple(numbers[:LEVELS])
    return side(bids, True), side(asks, False)


def add(venue, bids, asks):
    books[venue].append(key(bids, asks))


def poll():
    seen = set()
    while time.time() < end + 0.3:
        for venue, pair in PAIRS.items():
            with urllib.request.urlopen(f"{ready['control_url']}/v1/books/{venue}/{pair}", timeout=5) as answer:
                text = answer.read().decode()
            if text not in seen:
                seen.add(text)
                truth = json.loads(text, parse_float=Decimal)
                truths[venue].add(key(truth["bids"], truth["asks"]))
        time.sleep(0.003)


async def watch_binance():
    urls = ready["venues"]["binance"]
    AsyncClient.API_URL = urls["rest_url"] + "/api"
    BinanceSocketManager.STREAM_URL = urls["ws_url"] + "/"
    client = await AsyncClient.create()
    sockets = BinanceSocketManager(client)
    cache = DepthCacheManager(client, "BTCUSDT", bm=sockets, ws_interval=100)

    async def follow_ticker():
        async with sockets.symbol_ticker_socket("BTCUSDT") as stream:
            while time.time() < end:
                tickers["binance"] += float((await asyncio.wait_for(stream.recv(), 8))["c"]) > 0

    async def follow_book():
        async with cache as stream:
            while time.time() < end:
                book = await asyncio.wait_for(stream.recv(), 8)
                add("binance", book.get_bids()[:LEVELS], book.get_asks()[:LEVELS])

    await asyncio.gather(follow_ticker(), follow_book())
    await client.close_connection()


async def watch_kraken():
    urls = ready["venues"]["kraken"]
    kraken.base_api.SpotClient.URL = urls["rest_url"]
    kraken.spot.websocket.SpotWSClientBase.WS_URL = urls["ws_url"].removesuffix("/v2")

    class Book(SpotOrderBookClient):
        async def on_book_update(self, pair, message):
            book = self.get(pair=pair)
            if not book["valid"]:
                complaints["kraken"].append("a checksum does not fit")
            add("kraken", *([(p, v[0]) for p, v in list(book[side].items())[:LEVELS]] for side in ("bid", "ask")))

    async def on_message(message):
        tickers["kraken"] += message.get("channel") == "ticker"

    book = Book(depth=25)
    ticker = SpotWSClient(callback=on_message)
    await book.start()
    await ticker.start()
    await book.add_book(pairs=["BTC/USD"])
    await ticker.subscribe(params={"channel": "ticker", "symbol": ["BTC/USD"]})
    await asyncio.sleep(end - time.time())
    await ticker.close()
    await book.close()


def watch_gateio():
    urls = ready["venues"]["gateio"]
    api = gate_api.SpotApi(gate_api.ApiClient(gate_api.Configuration(host=urls["rest_url"] + "/api/v4")))
    while time.time() < end:
        book = api.list_order_book("BTC_USDT", limit=LEVELS, with_id=True)
        if book.id is None:
            complaints["gateio"].append("no id in the book")
        add("gateio", book.bids, book.asks)
        tickers["gateio"] += float(api.list_tickers(currency_pair="BTC_USDT")[0].last) > 0
        time.sleep(0.2)


def watch_upbit():
    def on_open(socket):
        socket.send(json.dumps([{"ticket": "documentation"}, {"type": "ticker", "codes": ["KRW-BTC"]},
                                {"type": "orderbook", "codes": ["KRW-BTC"]}]))

    def on_message(_socket, message):
        data = json.loads(message, parse_float=Decimal)
        if data["type"] == "ticker":
            tickers["upbit"] += 1
        else:
            units = data["orderbook_units"]
            add("upbit", *([(unit[f"{side}_price"], unit[f"{side}_size"]) for unit in units if unit[f"{side}_size"]]
                           for side in ("bid", "ask")))

    def on_error(_socket, error):
        complaints["upbit"].append(str(error))

    app = websocket.WebSocketApp(ready["venues"]["upbit"]["ws_url"], on_open=on_open, on_message=on_message,
                                 on_error=on_error)
    threading.Timer(end - time.time(), app.close).start()
    app.run_forever(ping_interval=3, ping_timeout=2)


def guarded(venue, watch):
    try:
        asyncio.run(watch()) if asyncio.iscoroutinefunction(watch) else watch()
    except Exception as error:  # each venue is judged by itself
        complaints[venue].append(f"{type(error).__name__} {error}"[:300])


def main():
    logging.disable(logging.CRITICAL)  # the books tell
    watches = {"upbit": watch_upbit, "gateio": watch_gateio, "binance": watch_binance,
               "kraken": watch_kraken}
    threads = [threading.Thread(target=guarded, args=item, daemon=True) for item in watches.items()]
    threads.append(threading.Thread(target=poll, daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=max(0.0, end - time.time()) + 10)
    failed = False
    for venue in PAIRS:
        equal = sum(book in truths[venue] for book in books[venue])
        wrong = list(dict.fromkeys(complaints[venue]))
        if len(books[venue]) < 5:
            wrong.append(f"only {len(books[venue])} books")
        # Between two polls a book may come and go; most must have been seen.
        if equal < 0.8 * len(books[venue]):
            wrong.append(f"only {equal} of {len(books[venue])} books were among the true ones")
        if tickers[venue] == 0:
            wrong.append("no ticker")
        failed = failed or bool(wrong)
        print(f"sdk {venue}: {len(books[venue])} books, {equal} equal to the true ones, {tickers[venue]} tickers"
              + (", FAILED: " + "; ".join(wrong[:5]) if wrong else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
