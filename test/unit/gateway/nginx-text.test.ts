import { expect, test } from 'vitest';
import { block, nginxTime, quoted } from '../../../sidecar/gateway/nginx-text.ts';

test('a word is quoted so that nothing in it can end it', () => {
  expect(quoted('/srv/a b')).toBe('"/srv/a b"');
  expect(quoted('/a"; evil on; "')).toBe('"/a\\"; evil on; \\""');
  expect(quoted('back\\slash')).toBe('"back\\\\slash"');
  expect(quoted("it's; {a} #b")).toBe(`"it's; {a} #b"`);
});

test('blocks are indented by their depth, and empty lines stay empty', () => {
  const inner = block('location /', ['return 404;']);
  expect(block('server', ['listen 80;', '', ...inner])).toEqual([
    'server {',
    '    listen 80;',
    '',
    '    location / {',
    '        return 404;',
    '    }',
    '}',
  ]);
});

test('durations are whole milliseconds', () => {
  expect([nginxTime(4000), nginxTime(1), nginxTime(0.6)]).toEqual(['4000ms', '1ms', '1ms']);
});
