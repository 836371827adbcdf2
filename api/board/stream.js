// Follows the event stream outside the page, in a worker, and hands it what is new. A worker keeps reading and
// parsing away from the drawing, and a page whose only open request is a stream counts as loaded.
'use strict';
const RECONNECT_MS = [1000, 2000, 4000, 8000, 15000];
const TOPICS = ['premium', 'fx', 'spread', 'opportunity'];
let failures = 0;

function follow() {
  const source = new EventSource('api/v1/stream?topics=' + TOPICS.join(','));
  source.onopen = () => {
    failures = 0;
    postMessage({ stream: 'live' });
  };
  for (const topic of TOPICS) {
    source.addEventListener(topic, (event) => {
      try {
        postMessage({ record: JSON.parse(event.data) });
      } catch {
        // A broken event is skipped; the page's next refresh brings the whole state.
      }
    });
  }
  // Reconnecting is ours: the browser's own gives up for good on an error status.
  source.onerror = () => {
    source.close();
    postMessage({ stream: failures < 2 ? 'reconnecting' : 'polling' });
    setTimeout(follow, RECONNECT_MS[Math.min(failures++, RECONNECT_MS.length - 1)]);
  };
}
follow();
