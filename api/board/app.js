// The live board. Takes the state from the REST routes, then follows the event stream; when the stream cannot
// be had it polls. Everything is put on the page as text, never as markup.
'use strict';
(() => {
  const REFRESH_MS = 10000;     // REST again, which also heals events lost while reconnecting
  const POLL_MS = 2000;         // the same without a stream; health is asked this often in any case
  const LOST_MS = 6000;         // without any contact for so long the page says so
  const OLD_MS = 60000;         // a value that did not change for so long is shown with its age
  const HISTORY_MS = 15 * 60000;
  const HISTORY_STEP_MS = 1000;
  const KEPT_OPPORTUNITIES = 50;

  const WORDS = {
    book_not_synced: 'an order book is not synced',
    stale_leg: 'an order book is stale',
    crossed: 'an order book is crossed',
    one_sided: 'an order book has only one side',
    fx_unavailable: 'no exchange rate',
    fx_quorum: 'too few exchange rate sources',
    fx_disagree: 'exchange rate sources disagree',
    fx_stale: 'the exchange rate is too old',
    identity_unproven: 'not proven to be the same coin',
    price_ratio_quarantine: 'prices too far apart to be the same coin',
    market_suspended: 'market suspended',
    wallet_closed: 'deposits or withdrawals closed',
    wallet_unknown: 'deposit and withdrawal state unknown',
    below_min_notional: 'below the smallest order',
    insufficient_depth: 'not enough depth',
    unprofitable: 'costs exceed the premium',
    muted: 'muted',
    outlier: 'too far from the others',
    missing: 'nothing received yet',
    sequence_gap: 'messages were lost',
    checksum_mismatch: 'wrong checksum',
    crossed_book: 'crossed',
    snapshot_missing: 'waiting for a snapshot',
    out_of_order: 'messages out of order',
    connect_failed: 'cannot connect',
    tls_failed: 'TLS failed',
    timeout: 'no answer in time',
    closed_by_peer: 'closed by the venue',
    rate_limited: 'rate limited',
    banned: 'banned for a time',
    http_status: 'HTTP error',
    venue_error: 'error reported by the venue',
    unknown_symbol: 'not listed by the venue',
    converged: 'the premium is gone',
    stale: 'a feed fell silent',
    not_tradable: 'no longer tradable',
    shutdown: 'the service stopped',
  };
  // The same reasons where they are about one source of a rate.
  const SOURCE_WORDS = {
    fx_stale: 'too old',
    fx_disagree: 'disagrees with the others',
    fx_unavailable: 'nothing received',
    book_not_synced: 'book not synced',
    stale_leg: 'book stale',
    crossed: 'book crossed',
    one_sided: 'book one-sided',
  };
  const VERDICTS = { tradable: ['good', 'tradable'], not_tradable: ['plain', 'not tradable'], unknown: ['warn', 'unknown'] };
  const STATES = { synced: 'good', syncing: 'warn', stale: 'warn', faulted: 'bad', down: 'bad' };
  const COLUMNS = [['korea', 'europe', 'usdt'], ['korea', 'europe', 'bank'], ['korea', 'asia', 'usdt'],
    ['korea', 'asia', 'bank'], ['asia', 'europe', 'usdt']];

  const state = {
    premiums: new Map(), rates: new Map(), spreads: new Map(), opportunities: new Map(),
    feeds: null, contracts: {}, venues: [], ready: null, history: new Map(),
    clockOffset: 0, lastContact: 0, stream: 'connecting', error: '',
  };

  // ---- small helpers -------------------------------------------------------------------------------------
  const byId = (id) => document.getElementById(id);
  const now = () => Date.now() + state.clockOffset;
  const words = (code) => {
    if (WORDS[code]) return WORDS[code];
    return String(code).replace(/_/g, ' ').replace(/:/g, ': ');
  };
  const wordsOf = (codes) => (codes && codes.length ? codes.map(words).join(', ') : '');
  const isNumber = (x) => typeof x === 'number' && Number.isFinite(x);

  function el(tag, className, ...children) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    for (const child of children) {
      if (child === null || child === undefined) continue;
      node.append(child instanceof Node ? child : document.createTextNode(String(child)));
    }
    return node;
  }
  const cell = (className, ...children) => el('td', className, ...children);
  function rowHeader(...children) {
    const th = el('th', '', ...children);
    th.scope = 'row';
    return th;
  }
  const pill = (kind, text) => el('span', 'pill ' + kind, (() => {
    const dot = el('i');
    dot.setAttribute('aria-hidden', 'true');
    return dot;
  })(), el('b', '', text));

  function percent(x, digits = 2) {
    if (!isNumber(x)) return '–';
    const text = (x * 100).toFixed(digits);
    return (Number(text) > 0 ? '+' : '') + text.replace('-', '\u2212') + '\u00a0%';
  }
  function amount(x, digits) {
    if (!isNumber(x)) return '–';
    return x.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace('-', '\u2212');
  }
  function quantity(x) {
    if (!isNumber(x)) return '–';
    return x.toLocaleString('en-US', { maximumSignificantDigits: 6 });
  }
  function duration(ms) {
    if (!isNumber(ms)) return '–';
    const ms0 = Math.max(0, ms);
    if (ms0 < 1000) return Math.round(ms0) + '\u00a0ms';
    const s = ms0 / 1000;
    if (s < 10) return s.toFixed(1) + '\u00a0s';
    if (s < 120) return Math.round(s) + '\u00a0s';
    if (s < 7200) return Math.round(s / 60) + '\u00a0min';
    return Math.round(s / 3600) + '\u00a0h';
  }
  const timeOf = (ms) => new Date(ms).toISOString().slice(11, 19);
  const ageOf = (record) => Math.max(0, now() - record.ts_ms);
  // An age that a record told, which has grown since it was told.
  const grown = (record, age) => age + Math.max(0, now() - record.told_ms);
  const lost = () => state.lastContact > 0 && performance.now() - state.lastContact > LOST_MS;

  // ---- state ---------------------------------------------------------------------------------------------
  const premiumKey = (p) => [p.asset, p.region, p.over, p.basis].join(' ');
  const spreadKey = (s) => [s.asset, s.buy, s.sell, s.mode].join(' ');

  // What an event tells is of its own time, what an answer tells is of the answer's.
  function take(record, toldMs = record.ts_ms) {
    record.told_ms = toldMs;
    switch (record.type) {
      case 'premium': {
        const known = state.premiums.get(premiumKey(record));
        if (!known || record.ts_ms >= known.ts_ms) state.premiums.set(premiumKey(record), record);
        remember(record);
        break;
      }
      case 'fx': {
        const known = state.rates.get(record.pair);
        if (!known || record.ts_ms >= known.ts_ms) state.rates.set(record.pair, record);
        break;
      }
      case 'spread': {
        const known = state.spreads.get(spreadKey(record));
        if (!known || record.ts_ms >= known.ts_ms) state.spreads.set(spreadKey(record), record);
        break;
      }
      case 'opportunity': {
        const known = state.opportunities.get(record.id);
        if (!known || record.ts_ms >= known.ts_ms) state.opportunities.set(record.id, record);
        if (state.opportunities.size > 2 * KEPT_OPPORTUNITIES) {
          const newest = [...state.opportunities.values()].sort((a, b) => b.opened_ts_ms - a.opened_ts_ms);
          state.opportunities = new Map(newest.slice(0, KEPT_OPPORTUNITIES).map((o) => [o.id, o]));
        }
        break;
      }
    }
  }

  function remember(record) {
    if (record.state !== 'ok' || !isNumber(record.premium)) return;
    const key = premiumKey(record);
    let points = state.history.get(key);
    if (!points) state.history.set(key, points = []);
    const last = points[points.length - 1];
    if (last && record.ts_ms - last[0] < HISTORY_STEP_MS) {
      if (record.ts_ms >= last[0]) last[1] = record.premium;
    } else {
      points.push([record.ts_ms, record.premium]);
    }
    while (points.length && points[0][0] < record.ts_ms - HISTORY_MS) points.shift();
  }

  function contact() {
    state.lastContact = performance.now();
    state.error = '';
  }

  async function get(path, accepted = []) {
    const response = await fetch(path, { cache: 'no-store', headers: { Accept: 'application/json' } });
    if (!response.ok && !accepted.includes(response.status)) throw new Error(path + ' answered ' + response.status);
    return response.json();
  }

  function replace(map, records, keyOf, toldMs) {
    const keep = new Set(records.map(keyOf));
    for (const key of [...map.keys()]) if (!keep.has(key)) map.delete(key);
    for (const record of records) take(record, toldMs);
  }

  function takeHealth(feeds, ready) {
    state.feeds = feeds.feeds;
    state.feedsAt = performance.now();
    state.contracts = feeds.contracts;
    state.ready = ready;
    contact();
  }

  let refreshing = false;
  async function refreshHealth() {
    if (refreshing) return;
    refreshing = true;
    try {
      takeHealth(...await Promise.all([get('api/v1/feeds'), get('readyz', [503])]));
    } catch (error) {
      state.error = error instanceof Error ? error.message : String(error);
    } finally {
      refreshing = false;
    }
  }

  async function refresh() {
    if (refreshing) return;
    refreshing = true;
    try {
      const [premiums, fx, spreads, opportunities, feeds, ready] = await Promise.all([
        get('api/v1/premiums'), get('api/v1/fx'), get('api/v1/spreads'), get('api/v1/opportunities'),
        get('api/v1/feeds'), get('readyz', [503])]);
      if (!state.venues.length) state.venues = (await get('api/v1/venues')).venues;
      state.clockOffset = premiums.ts_ms - Date.now();
      replace(state.premiums, premiums.premiums, premiumKey, premiums.ts_ms);
      replace(state.rates, fx.fx, (r) => r.pair, fx.ts_ms);
      replace(state.spreads, spreads.spreads, spreadKey, spreads.ts_ms);
      for (const opportunity of opportunities.opportunities) take(opportunity, opportunities.ts_ms);
      takeHealth(feeds, ready);
    } catch (error) {
      state.error = error instanceof Error ? error.message : String(error);
    } finally {
      refreshing = false;
    }
  }

  // ---- event stream --------------------------------------------------------------------------------------
  function follow() {
    if (typeof Worker === 'undefined') {
      state.stream = 'polling';
      return;
    }
    const worker = new Worker('stream.js');
    worker.onmessage = ({ data }) => {
      if (data.record) {
        contact();
        take(data.record);
        return;
      }
      state.stream = data.stream;
      if (data.stream === 'live') {
        contact();
        refresh();
      }
    };
    worker.onerror = () => {
      worker.terminate();
      state.stream = 'polling';
    };
  }

  // ---- rendering -----------------------------------------------------------------------------------------
  function sparkline(key) {
    const points = state.history.get(key) || [];
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    svg.setAttribute('viewBox', '0 0 118 22');
    svg.setAttribute('aria-hidden', 'true');
    if (points.length < 2) return svg;
    let low = Infinity;
    let high = -Infinity;
    for (const [, y] of points) {
      low = Math.min(low, y);
      high = Math.max(high, y);
    }
    const span = Math.max(high - low, 1e-5);
    const start = points[0][0];
    const width = Math.max(points[points.length - 1][0] - start, 1);
    const line = document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
    line.setAttribute('points', points.map(([t, y]) =>
      (1 + 116 * (t - start) / width).toFixed(1) + ',' + (20 - 18 * (y - low) / span).toFixed(1)).join(' '));
    svg.append(line);
    return svg;
  }

  function premiumCell(asset, [region, over, basis]) {
    const key = [asset, region, over, basis].join(' ');
    const p = state.premiums.get(key);
    if (!p) return cell('none', el('span', 'value', '–'), el('small', '', 'not watched'));
    if (p.state !== 'ok' || !isNumber(p.premium)) {
      return cell('none', el('span', 'value', 'unavailable'), el('small', '', wordsOf(p.reasons) || 'no reason given'));
    }
    const age = ageOf(p);
    const old = lost() || age > OLD_MS;
    const td = cell((p.premium >= 0 ? 'up' : 'down') + (old ? ' stale' : ''), el('span', 'value', percent(p.premium)));
    const strength = Math.min(Math.abs(p.premium) / 0.05, 1) * 0.22;
    if (!old) td.style.background = 'rgb(var(--' + (p.premium >= 0 ? 'up' : 'down') + '-soft) / ' + strength.toFixed(3) + ')';
    td.append(sparkline(key));
    if (old) td.append(el('small', '', duration(age) + ' old'));
    td.title = asset + ' ' + region + ' over ' + over + ': ' + quantity(p.price) + ' against ' + quantity(p.over_price) + ' ' + p.currency +
      '\n' + (p.venues || []).join(', ') + ' over ' + (p.over_venues || []).join(', ');
    return td;
  }

  function renderPremiums() {
    const assets = [...new Set([...state.premiums.values()].filter((p) => p.over !== 'bank').map((p) => p.asset))].sort();
    if (!assets.length) return;
    byId('premium-rows').replaceChildren(...assets.map((asset) =>
      el('tr', '', rowHeader(asset), ...COLUMNS.map((column) => premiumCell(asset, column)))));
  }

  const TITLES = { 'USDT/KRW': 'USDT in won, exchanges’ consensus', 'USDT/USD': 'USDT in dollars', 'USD/KRW': 'Dollar in won, bank' };
  function rateCard(rate) {
    const digits = rate.pair === 'USDT/USD' ? 5 : 2;
    const age = grown(rate, isNumber(rate.age_ms) ? rate.age_ms : 0);
    const old = lost() || age > OLD_MS && rate.pair !== 'USD/KRW';
    const ok = rate.state === 'ok' && isNumber(rate.mid);
    const card = el('article', 'card' + (ok && old ? ' stale' : ''),
      el('h3', '', el('span', '', TITLES[rate.pair] || rate.pair), el('span', '', rate.pair)));
    if (ok) {
      card.append(el('p', 'rate', amount(rate.mid, digits)));
      card.append(el('p', '', (isNumber(rate.bid) && isNumber(rate.ask) ? 'bid ' + amount(rate.bid, digits) + ' · ask ' + amount(rate.ask, digits) + ' · ' : '') +
        duration(age) + ' old'));
    } else {
      card.append(el('p', 'rate none', 'unavailable'), el('p', '', wordsOf(rate.reasons) || 'no reason given'));
    }
    if (rate.sources && rate.sources.length) {
      const bank = !rate.sources.some((s) => isNumber(s.bid) && isNumber(s.ask) && s.bid !== s.ask);
      const head = el('tr', '', ...['Source', ...(bank ? ['Rate'] : ['Bid', 'Ask']), 'Age', 'Used'].map((text, i) => {
        const th = el('th', i > 0 && text !== 'Used' ? 'num' : '', text);
        th.scope = 'col';
        return th;
      }));
      const rows = rate.sources.map((s) => el('tr', s.used ? '' : 'out', rowHeader(s.venue),
        ...(bank ? [cell('num', amount(isNumber(s.bid) ? s.bid : s.mid, digits))] : [cell('num', amount(s.bid, digits)), cell('num', amount(s.ask, digits))]),
        cell('num', isNumber(s.age_ms) ? duration(grown(rate, s.age_ms)) : '–'),
        cell('', s.used ? 'yes' : 'no: ' + (SOURCE_WORDS[s.reason] || (s.reason ? words(s.reason) : 'no reason given')))));
      const table = el('table', '', el('thead', '', head), el('tbody', '', ...rows));
      table.setAttribute('aria-label', 'Sources of ' + rate.pair);
      card.append(table);
    }
    return card;
  }

  function usdtPremiumCard() {
    const p = [...state.premiums.values()].find((x) => x.asset === 'USDT' && x.over === 'bank');
    if (!p) return null;
    const ok = p.state === 'ok' && isNumber(p.premium);
    const old = lost() || ageOf(p) > OLD_MS;
    const card = el('article', 'card' + (ok && old ? ' stale' : ''), el('h3', '', el('span', '', 'USDT premium in Korea'), el('span', '', 'over the bank rate')));
    if (ok) {
      card.append(el('p', 'rate ' + (p.premium >= 0 ? 'up' : 'down'), percent(p.premium)), el('p', '', duration(ageOf(p)) + ' old'));
      card.append(sparkline(premiumKey(p)));
    } else {
      card.append(el('p', 'rate none', 'unavailable'), el('p', '', wordsOf(p.reasons) || 'no reason given'));
    }
    return card;
  }

  function renderFx() {
    const order = ['USDT/KRW', 'USDT/USD', 'USD/KRW'];
    const rates = [...state.rates.values()].sort((a, b) => order.indexOf(a.pair) - order.indexOf(b.pair));
    const cards = rates.map(rateCard);
    const premium = usdtPremiumCard();
    if (premium) cards.push(premium);
    if (cards.length) byId('fx').replaceChildren(...cards);
  }

  function pairRow(s, first, asset, span) {
    const old = lost() || ageOf(s) > OLD_MS;
    const [kind, name] = VERDICTS[s.verdict] || ['plain', s.verdict];
    const o = s.optimal;
    const row = el('tr', first ? 'first' : '');
    if (first) {
      const th = rowHeader(asset);
      th.rowSpan = span;
      row.append(th);
    }
    row.append(cell('', s.buy), cell('', s.sell),
      cell('num', isNumber(s.gross_ratio) ? percent(s.gross_ratio, 3) : 'unavailable'),
      cell('num', isNumber(s.net_ratio) ? percent(s.net_ratio, 3) : 'unavailable'),
      cell('num', ...(o ? [quantity(o.quantity) + ' ' + asset, el('br'), el('small', '', amount(o.spent_usdt, 0) + ' USDT')] : [isNumber(s.net_ratio) ? 'none' : '–'])),
      cell('num' + (o && s.verdict === 'tradable' ? ' up' : ''), o ? amount(o.net_profit_usdt, 2) : '–'),
      cell('why', pill(kind, name), ' ', el('small', '', wordsOf(s.reasons) + (s.fx_venue_fallback ? (s.reasons.length ? '; ' : '') + 'converted at the consensus rate' : '') +
        (old ? ' (' + duration(ageOf(s)) + ' old)' : ''))));
    if (old) for (const td of row.querySelectorAll('td')) td.classList.add('stale');
    return row;
  }

  function renderPairs() {
    if (!state.spreads.size) return;
    const mode = byId('mode').value;
    const limit = Number(byId('limit').value);
    const assets = new Map();
    for (const s of state.spreads.values()) {
      if (s.mode !== mode) continue;
      if (!assets.has(s.asset)) assets.set(s.asset, []);
      assets.get(s.asset).push(s);
    }
    const worth = (s) => (isNumber(s.net_ratio) ? s.net_ratio : -Infinity);
    // Numbers that may not be true lead nothing, however good they look.
    const rank = { tradable: 2, not_tradable: 1, unknown: 0 };
    const rows = [];
    for (const asset of [...assets.keys()].sort()) {
      const pairs = assets.get(asset).sort((a, b) =>
        (rank[b.verdict] || 0) - (rank[a.verdict] || 0) || worth(b) - worth(a) || spreadKey(a).localeCompare(spreadKey(b))).slice(0, limit);
      pairs.forEach((s, i) => rows.push(pairRow(s, i === 0, asset, pairs.length)));
    }
    if (!rows.length) rows.push(el('tr', '', (() => { const td = cell('empty', 'no pairs in this mode'); td.colSpan = 8; return td; })()));
    byId('pair-rows').replaceChildren(...rows);
  }

  function renderOpportunities() {
    if (!state.opportunities.size) return;
    const list = [...state.opportunities.values()].sort((a, b) =>
      (b.event !== 'close') - (a.event !== 'close') || b.opened_ts_ms - a.opened_ts_ms).slice(0, KEPT_OPPORTUNITIES);
    byId('opportunity-rows').replaceChildren(...list.map((o) => {
      const open = o.event !== 'close';
      const lasted = open ? now() - o.opened_ts_ms : o.duration_ms;
      return el('tr', '', rowHeader(o.asset), cell('', o.buy), cell('', o.sell), cell('', o.mode), cell('', timeOf(o.opened_ts_ms)),
        cell('num', duration(lasted)), cell('num', percent(o.net_ratio, 3)), cell('num', amount(o.net_profit_usdt, 2)),
        cell('num', amount(o.peak_profit_usdt, 2)),
        cell('', pill(open ? 'good' : 'plain', open ? 'open' : 'closed'), ' ', el('small', '', open ? '' : words(o.reason || ''))));
    }));
  }

  function renderFeeds() {
    if (!state.feeds) return;
    const since = performance.now() - state.feedsAt;
    const old = lost();
    const order = ['synced', 'syncing', 'stale', 'faulted', 'down'];
    const known = new Map(state.venues.map((v) => [v.venue, v]));
    for (const f of state.feeds) if (!known.has(f.venue)) known.set(f.venue, { venue: f.venue, region: '' });
    const sum = (feeds, field) => feeds.reduce((total, f) => total + (f[field] || 0), 0);
    const rows = [...known.values()].map((v) => {
      const feeds = state.feeds.filter((f) => f.venue === v.venue);
      const worst = feeds.reduce((w, f) => Math.max(w, order.indexOf(f.state)), -1);
      const states = cell('');
      if (worst < 0) states.append(pill('warn', 'no streams'));
      for (const name of order) {
        const n = feeds.filter((f) => f.state === name).length;
        if (n) states.append(pill(STATES[name], n + ' ' + name), ' ');
      }
      const reasons = [...new Set(feeds.filter((f) => f.reason).map((f) => f.reason))];
      if (reasons.length) states.append(el('small', '', wordsOf(reasons)));
      const ages = feeds.map((f) => f.age_ms).filter(isNumber);
      const contract = state.contracts[v.venue];
      const row = el('tr', '', rowHeader(v.venue), cell('', v.region || ''), states,
        cell('num', ages.length ? duration(Math.max(...ages) + since) : '–'), cell('num', sum(feeds, 'gaps')),
        cell('num', sum(feeds, 'checksum_mismatches')), cell('num', sum(feeds, 'resyncs')),
        cell('num', feeds.reduce((m, f) => Math.max(m, f.reconnects || 0), 0)), cell('long', contract ? contract.integrity : ''));
      if (old) for (const td of row.querySelectorAll('td')) td.classList.add('stale');
      return row;
    });
    if (rows.length) byId('venue-rows').replaceChildren(...rows);
    if (!byId('feed-details').open) return;
    byId('feed-rows').replaceChildren(...state.feeds.map((f) => el('tr', '', rowHeader(f.venue), cell('', f.symbol), cell('', f.channel),
      cell('', pill(STATES[f.state] || 'plain', f.state)), cell('', f.reason ? words(f.reason) : ''), cell('', f.origin || ''),
      cell('num', isNumber(f.age_ms) ? duration(f.age_ms + since) : '–'), cell('num', f.gaps), cell('num', f.resyncs), cell('num', f.reconnects))));
  }

  // Rewrites a live region only when it says something new, so that it is not read out twice a second.
  function setPill(id, kind, text) {
    const node = byId(id);
    const label = node.querySelector('b');
    if (node.className !== 'pill ' + kind) node.className = 'pill ' + kind;
    if (label.textContent !== text) label.textContent = text;
  }
  function setBanner(id, text) {
    const node = byId(id);
    if (node.textContent !== text) node.textContent = text;
    node.hidden = !text;
  }

  function renderStatus() {
    const names = { live: ['good', 'live'], connecting: ['wait', 'connecting'], reconnecting: ['warn', 'reconnecting'], polling: ['warn', 'polling, no stream'] };
    const [kind, text] = lost() ? ['bad', 'no contact'] : names[state.stream];
    setPill('connection', kind, text);
    const ready = state.ready;
    if (lost() || !ready) {
      setPill('readiness', 'wait', 'readiness unknown');
    } else {
      setPill('readiness', ready.ready ? 'good' : 'bad', ready.ready ? 'ready' : 'not ready');
    }
    if (lost()) {
      setBanner('banner', 'No contact with the service since ' + timeOf(now() - (performance.now() - state.lastContact)) +
        ' UTC. What is shown is what was known then.');
    } else if (ready && !ready.ready) {
      setBanner('banner', 'Not ready: ' + ready.reasons.map(words).join('; '));
    } else if (!state.lastContact && state.error) {
      setBanner('banner', 'The service does not answer: ' + state.error);
    } else {
      setBanner('banner', '');
    }
    setBanner('notices', ready && ready.notices && ready.notices.length ? 'Note: ' + ready.notices.map(words).join('; ') : '');
    byId('clock').textContent = state.lastContact ? timeOf(now()) + ' UTC' : '';
  }

  function render() {
    renderStatus();
    renderPremiums();
    renderFx();
    renderPairs();
    renderOpportunities();
    renderFeeds();
  }

  let sinceRefresh = 0;
  setInterval(() => {
    sinceRefresh += POLL_MS;
    if (state.stream === 'live' && sinceRefresh < REFRESH_MS) {
      refreshHealth();
    } else {
      sinceRefresh = 0;
      refresh();
    }
  }, POLL_MS);
  setInterval(() => {
    if (!document.hidden) render();
  }, 500);
  for (const id of ['mode', 'limit']) byId(id).addEventListener('change', renderPairs);
  byId('feed-details').addEventListener('toggle', renderFeeds);
  refresh().then(() => {
    render();
    follow();
  });
})();
