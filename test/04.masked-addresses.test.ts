import assert from 'node:assert/strict';
import { maskAddresses, maskAddressesIn } from '../dist/masked-addresses.js';

describe('maskAddresses', () => {
  const cases: [string, string][] = [
    ['https://host:8080/simple', 'https://host:8080/simple'],
    ['https://me:secret@host/simple', 'https://***@host/simple'],
    ['http://me:se/c?r#e@t@host', 'http://***@host'],
    ['http://me:sec ret@host', 'http://***@host'],
    ['me:secret@host/simple', '***@host/simple'],
    ['https://host/simple?token=secret', 'https://host/simple'],
    ['https://a:secret@one/ https://b:secret@two/?key=secret', 'https://***@one/ https://***@two/'],
    ['localhost,127.0.0.1', 'localhost,127.0.0.1'],
  ];
  for (const [text, masked] of cases) it(`makes ${masked} of ${text}`, () => assert.equal(maskAddresses(text), masked));

  it('finds them among other words', () => {
    const said = 'ERROR: no torch in\n(https://me:secret@host/x), nor at "me:secret@host" in 8 s';
    assert.equal(maskAddressesIn(said), 'ERROR: no torch in\n(https://***@host/x), nor at ***@host" in 8 s');
  });
});
