// Plays a plan of events with the tracker of npm, `@snowplow/node-tracker`.
//
//   node node_tracker.js <plan.json> <port of the collector on 127.0.0.1>
//
// Prints, as one JSON array, which event id the tracker gave to which event of the plan. Ends with an error when the
// collector did not take every event: nothing may get lost before it reaches the log.
'use strict';

const fs = require('fs');
const {
  newTracker,
  buildEcommerceTransaction,
  buildEcommerceTransactionItem,
  buildPagePing,
  buildPageView,
  buildScreenView,
  buildSelfDescribingEvent,
  buildStructEvent,
} = require('@snowplow/node-tracker');

const DEADLINE_MS = 60000;

// The events that one entry of the plan stands for: one, or a transaction and its items.
const builders = {
  page_view: (event) => [
    buildPageView({ pageUrl: event.url, pageTitle: event.title, referrer: event.referrer }),
  ],
  page_ping: (event) => [
    buildPagePing({
      pageUrl: event.url,
      pageTitle: event.title,
      referrer: event.referrer,
      minXOffset: event.offsets[0],
      maxXOffset: event.offsets[1],
      minYOffset: event.offsets[2],
      maxYOffset: event.offsets[3],
    }),
  ],
  struct: (event) => [
    buildStructEvent({
      category: event.category,
      action: event.action,
      label: event.label,
      property: event.property,
      value: event.value,
    }),
  ],
  self_describing: (event) => [buildSelfDescribingEvent({ event: event.event })],
  screen_view: (event) => [buildScreenView({ name: event.screen, id: event.id })],
  transaction: (event) => [
    buildEcommerceTransaction({
      orderId: event.order_id,
      total: event.total,
      affiliation: event.affiliation,
      tax: event.tax,
      shipping: event.shipping,
      city: event.city,
      state: event.state,
      country: event.country,
      currency: event.currency,
    }),
    ...event.items.map((item) =>
      buildEcommerceTransactionItem({
        orderId: event.order_id,
        sku: item.sku,
        name: item.name,
        category: item.category,
        price: item.price,
        quantity: item.quantity,
        currency: event.currency,
      })
    ),
  ],
};

function describeSubject(tracker, subject) {
  tracker.setPlatform(subject.platform);
  tracker.setUserId(subject.user_id);
  tracker.setIpAddress(subject.ip);
  tracker.setUseragent(subject.useragent);
  tracker.setLang(subject.lang);
  tracker.setTimezone(subject.timezone);
  tracker.setColorDepth(subject.color_depth);
  tracker.setScreenResolution(subject.resolution[0], subject.resolution[1]);
  tracker.setViewport(subject.viewport[0], subject.viewport[1]);
  tracker.setDomainUserId(subject.domain_user_id);
  tracker.setSessionId(subject.session_id);
  tracker.setSessionIndex(subject.session_index);
  tracker.setNetworkUserId(subject.network_user_id);
}

async function send(sender, port) {
  let taken = 0;
  const refused = [];
  const tracker = newTracker(
    { namespace: sender.namespace, appId: sender.app_id, encodeBase64: sender.base64 },
    {
      endpoint: '127.0.0.1',
      protocol: 'http',
      port,
      eventMethod: sender.method,
      bufferSize: sender.batch,
      connectionTimeout: DEADLINE_MS,
      retryFailedRequests: false,
      onRequestSuccess: (events) => (taken += events.length),
      onRequestFailure: (failure) => refused.push(failure.message || String(failure.status)),
    }
  );
  if (sender.subject) describeSubject(tracker, sender.subject);

  const ids = [];
  for (const event of sender.events) {
    const timestamp =
      event.true_tstamp === undefined ? undefined : { type: 'ttm', value: event.true_tstamp };
    builders[event.kind](event).forEach((builder, part) => {
      const payload = tracker.track(builder, event.contexts, timestamp);
      ids.push({ sender: sender.namespace, name: event.name, part, event_id: payload.eid });
    });
  }
  // A flush that meets another one in progress returns at once, so what counts is what the collector answered.
  const deadline = Date.now() + DEADLINE_MS;
  while (taken < ids.length && refused.length === 0) {
    if (Date.now() > deadline) throw new Error(`${sender.namespace}: ${taken} of ${ids.length} events taken`);
    await tracker.flush();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  if (refused.length > 0) throw new Error(`${sender.namespace}: ${refused.join('; ')}`);
  if (taken !== ids.length) throw new Error(`${sender.namespace}: ${taken} events taken, not ${ids.length}`);
  return ids;
}

async function main() {
  const [planPath, port] = process.argv.slice(2);
  const plan = JSON.parse(fs.readFileSync(planPath, 'utf8'));
  const ids = [];
  for (const sender of plan.senders) ids.push(...(await send(sender, Number(port))));
  process.stdout.write(JSON.stringify(ids) + '\n');
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
