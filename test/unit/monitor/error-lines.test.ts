import { expect, test } from 'vitest';
import { ERROR_LINE, ErrorCount } from '../../../sidecar/monitor/error-lines.ts';
import { LineMatches } from '../../../sidecar/runtime/line-matches.ts';
import { FakeClock } from '../../support/clock.ts';

test.each([
  'ERROR Exception in handler: fault number 1',
  '2026-01-01 12:00:00,123 [main] FATAL app - out of luck',
  '{"level":50,"time":1,"msg":"no"}',
  '{"level": "error", "msg": "no"}',
  '{"severity":"CRITICAL","message":"no"}',
  'ts=1 level=error msg=no',
  'TypeError: x is not a function',
  'Error: listen EADDRINUSE',
  'Exception in thread "main" java.lang.IllegalStateException: no',
  'Traceback (most recent call last):',
  'panic: runtime error: index out of range',
  'Unhandled promise rejection',
])('%s is an error', (line) => {
  expect(ERROR_LINE.test(line)).toBe(true);
});

test.each([
  'backend v1 (blue/1) listens on 127.0.0.1:20001',
  '0 errors, 3 warnings',
  'GET /error 200',
  '    at handle (examples/backend/handler.js:12:9)',
  '{"level":30,"msg":"errors: 0"}',
  '{"level":"info","error":null}',
  'ERROR_LOG=/dev/stderr',
  'level=info msg="no error"',
  'handled without exception',
])('%s is none', (line) => {
  expect(ERROR_LINE.test(line)).toBe(false);
});

function matches(...lines: string[]): LineMatches {
  const found = new LineMatches(/^/);
  for (const line of lines) found.add(line);
  return found;
}

const as = (text: string) => text;

test('lines of all lives in a slot are counted, and the latest is told on one line, without secrets', () => {
  const errors = new ErrorCount(new FakeClock(), true);
  errors.add(matches('one', 'two'));
  errors.add(matches('three'));
  errors.add(matches());
  errors.add(matches('\x1b[31mfour\r\n hunter22'));
  expect(errors.report((text) => text.replace('hunter22', '${PW}'))).toEqual({ total: 4, recent: 4, last: '[31mfour ${PW}' });
});

test('lately is the last minute', () => {
  const clock = new FakeClock();
  const errors = new ErrorCount(clock, true);
  const found = matches('a', 'b');
  errors.add(found);
  for (let second = 0; second < 70; second += 2) {
    errors.sample();
    clock.advance(2000);
  }
  found.add('c');
  errors.sample();
  expect(errors.report(as)).toEqual({ total: 3, recent: 1, last: 'c' });
});

test('what a replica wrote before anybody looked is counted, but is none of the last minute', () => {
  const clock = new FakeClock();
  const errors = new ErrorCount(clock, false);
  const found = matches();
  errors.add(found);
  errors.sample();
  for (let n = 0; n < 500; n++) found.add('old');
  clock.advance(4000);
  errors.sample();
  expect(errors.report(as)).toMatchObject({ total: 500, recent: 0 });
  found.add('new');
  clock.advance(2000);
  errors.sample();
  expect(errors.report(as)).toMatchObject({ total: 501, recent: 1 });
});
