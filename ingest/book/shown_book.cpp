#include "ingest/book/shown_book.h"

#include "ingest/decode/venue_adapter.h"

namespace spreadwatch::ingest {
namespace {

/// What is cached behind a REST address may lie before what the socket has shown.
bool older_than_socket(const ShownBook& shown, const OrderBook& book) {
  if (book.exchange_time && shown.socket_time && *book.exchange_time != *shown.socket_time) {
    return *book.exchange_time < *shown.socket_time;
  }
  // Elsewhere the numbers of REST and socket are of two series, or not known to be of one.
  return venue_profile(book.venue).one_series && book.sequence && shown.socket_sequence &&
         *book.sequence < *shown.socket_sequence;
}

}  // namespace

bool ShownBook::on_socket(const OrderBook& book) {
  if (!book.synced()) return !polled_synced();
  polled.reset();
  socket_time = book.exchange_time;
  socket_sequence = book.sequence;
  return true;
}

bool ShownBook::on_polled(const OrderBook& book) {
  if (book.synced() ? older_than_socket(*this, book) : !polled) return false;
  polled = book.state;
  return true;
}

}  // namespace spreadwatch::ingest
