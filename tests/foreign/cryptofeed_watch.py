"""cryptofeed's own feeds follow an order book (and the ticker, where the feed has one for spot) of the simulated venues
whose present protocol they speak; every book is compared with the simulator's true books. Only addresses are overridden.

Usage: cryptofeed_watch.py READY_JSON SECONDS; prints a line per venue, exits with 1 when something is wrong.
"""
import asyncio
import json
import logging
import re
import sys
import threading
import time
import urllib.request

from cryptofeed import FeedHandler
from cryptofeed.defines import L2_BOOK, TICKER
from cryptofeed.exchanges import OKX, Binance, Bybit, Gateio, Upbit

# Kraken's feed speaks the retired v1, Bithumb's has no books, and it knows neither Korbit nor Coinone.
FEEDS = {
    "upbit": (Upbit, "BTC-KRW", [L2_BOOK]),
    "okx": (OKX, "BTC-USDT", [L2_BOOK, TICKER]),
    "bybit": (Bybit, "BTC-USDT", [L2_BOOK]),
    "gateio": (Gateio, "BTC-USDT", [L2_BOOK, TICKER]),
    "binance": (Binance, "BTC-USDT", [L2_BOOK, TICKER]),
}


def main():
    ready = json.load(open(sys.argv[1], encoding="utf-8"))
    seconds = float(sys.argv[2])
    truths = {venue: {} for venue in FEEDS}
    books = {venue: [] for venue in FEEDS}
    tickers = dict.fromkeys(FEEDS, 0)
    complaints = []

    class Complaints(logging.Handler):
        def emit(self, record):
            complaints.append(record.getMessage())

    log = logging.getLogger("feedhandler")
    log.addHandler(Complaints(logging.WARNING))

    stop = threading.Event()

    def poll():
        while not stop.is_set():
            for venue, (_, symbol, _) in FEEDS.items():
                url = f"{ready['control_url']}/v1/books/{venue}/{symbol}"
                with urllib.request.urlopen(url, timeout=5) as answer:
                    text = answer.read()
                truths[venue].setdefault(text, None)
            stop.wait(0.003)

    def on_book(venue):
        async def callback(book, _received):
            data = book.to_dict()["book"]
            books[venue].append((
                book.sequence_number,
                [[float(p), float(s)] for p, s in sorted(data["bid"].items(), reverse=True)],
                [[float(p), float(s)] for p, s in sorted(data["ask"].items())],
            ))
        return callback

    def on_ticker(venue):
        async def callback(ticker, _received):
            if not 0 < ticker.bid < ticker.ask:
                complaints.append(f"{venue}: ticker {ticker}")
            tickers[venue] += 1
        return callback

    # No file, no output of its own: what it complains of is collected above.
    handler = FeedHandler(config={"log": {"disabled": False, "filename": "/dev/null", "level": "WARNING"},
                                  "uvloop": False, "backend_multiprocessing": False})
    for venue, (feed, symbol, channels) in FEEDS.items():
        urls = ready["venues"][venue]
        for endpoint in feed.websocket_endpoints:
            host = re.match(r"wss?://[^/]*", urls["ws_url"]).group()
            endpoint.address = re.sub(r"^wss://[^/]*", host, endpoint.address)
        for endpoint in feed.rest_endpoints:
            endpoint.address = re.sub(r"^https://[^/]*", urls["rest_url"], endpoint.address)
        callbacks = {L2_BOOK: on_book(venue), TICKER: on_ticker(venue)}
        handler.add_feed(feed(symbols=[symbol], channels=channels,
                              callbacks={c: callbacks[c] for c in channels}))

    poller = threading.Thread(target=poll)
    poller.start()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    handler.run(start_loop=False, install_signal_handlers=False)
    loop.run_until_complete(asyncio.sleep(seconds))
    handler.stop(loop=loop)
    time.sleep(0.05)
    stop.set()
    poller.join()

    failed = False
    for venue, (_, _, channels) in FEEDS.items():
        known = [json.loads(text) for text in truths[venue]]

        def same(book, truth):
            for ours, theirs in ((book[1], truth["bids"]), (book[2], truth["asks"])):
                n = min(len(ours), len(theirs))
                if n == 0 or ours[:n] != theirs[:n]:
                    return False
            return True

        wrong = []
        equal = 0
        for book in books[venue]:
            numbered = [t for t in known if book[0] is not None and t["sequence"] == book[0]]
            if any(same(book, t) for t in numbered or known):
                equal += 1
            elif numbered:
                wrong.append(f"the book at sequence {book[0]} is not the true one")
        count = len(books[venue])
        if count < 5:
            wrong.append(f"only {count} books")
        # Between two polls a book may come and go; most must have been seen.
        if equal < 0.8 * count:
            wrong.append(f"only {equal} of {count} books were among the true ones")
        if TICKER in channels and tickers[venue] == 0:
            wrong.append("no ticker")
        failed = failed or bool(wrong)
        print(f"cryptofeed {venue}: {count} books, {equal} equal to the true ones, {tickers[venue]} tickers"
              + (", FAILED: " + "; ".join(dict.fromkeys(wrong)) if wrong else ""))
    for complaint in complaints[:10]:
        print(f"cryptofeed complains: {complaint}")
    return 1 if failed or complaints else 0


if __name__ == "__main__":
    sys.exit(main())
