// Together's figures for sessions and tenants.
import { systemClock } from '../../src/governance/clock.js';
import { type GovernedProvider, govern } from '../../src/governance/governed-provider.js';
import { Sessions } from '../../src/governance/session.js';
import { distribution } from './distribution.js';
import type { Effort } from './effort.js';
import { retainedBytes } from './heap.js';
import { judged, type Row } from './row.js';
import { instantStub, REQUEST, WIDE_ADMISSION } from './subject.js';
import { timeInTurns, timeWork } from './timing.js';

const BATCH = 10;
const OPERATIONS = 10_000;
/** Prime to any number of sessions, so that all are looked up, in no order of theirs. */
const LOOK_UP_STEP = 7919;
const TENANTS = 1000;
const CALLS_PER_TENANT = 10;
const OPTIONS = { admission: WIDE_ADMISSION };

export async function sessions(effort: Effort): Promise<Row[]> {
  return [
    await tracking(effort),
    ...(await longSession()),
    await lookUp(effort),
    ...(await cleanUp()),
    await tenants(),
  ];
}

async function tracking({ samples }: Effort): Promise<Row> {
  const governed = govern(instantStub(), OPTIONS);
  const { sessionId } = governed.governance.sessions.start();
  const times = await timeInTurns(samples, BATCH, {
    without: () => governed.chat(REQUEST),
    with: () => governed.chat(REQUEST, { sessionId }),
  });
  return judged({
    id: 'T-10',
    name: 'added per call by a session',
    plane: 'G',
    seed: 10,
    ours: distribution(times.with).median - distribution(times.without).median,
    unit: 'µs',
    target: { atMost: 10 },
    reason: 'Published as negligible.',
  });
}

/** As many calls as a session must take, their number, cost and memory. */
async function longSession(): Promise<Row[]> {
  const governed = govern(instantStub(), OPTIONS);
  const session = governed.governance.sessions.start();
  const before = await retainedBytes();
  for (let call = 0; call < OPERATIONS; call++)
    await governed.chat(REQUEST, { sessionId: session.sessionId });
  const grown = (await retainedBytes()) - before;
  const share = session.totalCost / governed.costSummary().totalCostUsd;
  governed.governance.sessions.end(session.sessionId);
  return [
    judged({
      id: 'T-17',
      name: 'operations counted in one session',
      plane: 'G',
      seed: OPERATIONS,
      ours: session.totalOperations,
      unit: 'operations',
      target: { between: [OPERATIONS, OPERATIONS] },
    }),
    judged({
      id: 'T-17',
      name: "the session's cost over the provider's",
      plane: 'G',
      seed: 1,
      ours: share,
      unit: '×',
      target: { between: [1 - 1e-12, 1 + 1e-12] },
    }),
    judged({
      id: 'T-18',
      name: 'memory per 1 000 operations of a session',
      plane: 'G',
      seed: 5,
      ours: grown / 1e6 / (OPERATIONS / 1000),
      unit: 'MB',
      target: { atMost: 5 },
    }),
  ];
}

async function lookUp({ samples }: Effort): Promise<Row> {
  const median = async (count: number) => {
    const open = new Sessions(systemClock);
    const ids = Array.from({ length: count }, () => open.start().sessionId);
    const work = (i: number) => open.get(ids[(i * LOOK_UP_STEP) % count]!);
    return distribution(await timeWork(samples, { batch: 1000, work })).median;
  };
  const [few, many] = [await median(10), await median(10_000)];
  return judged({
    id: 'T-19',
    name: 'look-up among 10 000 sessions over that among 10',
    plane: 'G',
    seed: 1,
    ours: many / few,
    unit: '×',
    reason:
      'Published as flat, without a bound. A thousand times the sessions: what is left is the processor cache.',
  });
}

async function cleanUp(): Promise<Row[]> {
  const governed = govern(instantStub(), OPTIONS);
  const before = await retainedBytes();
  await governed.trackSession({}, async ({ sessionId }) => {
    for (let call = 0; call < 50; call++) await governed.chat(REQUEST, { sessionId });
  });
  const grown = (await retainedBytes()) - before;
  const facts = { id: 'T-20', plane: 'G' } as const;
  return [
    judged({
      ...facts,
      name: 'retained after a session of 50',
      seed: 25,
      ours: grown / 1e6,
      unit: 'MB',
      target: { atMost: 25 },
    }),
    judged({
      ...facts,
      name: 'sessions open after their end',
      seed: 0,
      ours: governed.costSummary().activeSessions,
      unit: 'sessions',
      target: { atMost: 0 },
    }),
  ];
}

/** Calls of all tenants at once; each must find exactly its own cost. */
async function tenants(): Promise<Row> {
  const governed = govern(instantStub(), OPTIONS);
  const customers = Array.from({ length: TENANTS }, (_, i) => `tenant-${i}`);
  const costs = await Promise.all(customers.map((customerId) => costOfCalls(governed, customerId)));
  const wrong = customers.filter((customer, i) => {
    const { costUsd, operations } = governed.governance.totals.ofCustomer(customer);
    return operations !== CALLS_PER_TENANT || Math.abs(costUsd / costs[i]! - 1) > 1e-12;
  });
  return judged({
    id: 'T-21',
    name: `tenants of ${TENANTS} whose totals are wrong`,
    plane: 'G',
    seed: 0,
    ours: wrong.length,
    unit: 'tenants',
    target: { atMost: 0 },
  });
}

/** What the results say that a tenant's calls cost; every tenant asks for texts of its own lengths. */
async function costOfCalls(governed: GovernedProvider, customerId: string): Promise<number> {
  let costUsd = 0;
  for (let call = 1; call <= CALLS_PER_TENANT; call++) {
    const request = { ...REQUEST, maxTokens: 1 + ((customerId.length * call) % 50) };
    const { governance } = await governed.chat(request, { attributes: { customerId } });
    costUsd += governance.cost.actualUsd;
  }
  return costUsd;
}
