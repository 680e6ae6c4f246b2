/** The JSON Schema of nacue.config.json, for editors: made of the tables of the commands. */
import type { Commands, List, Option } from './command.js';
import { configFileName, settingTables } from './config-file.js';
import { meaningOf } from './option-text.js';

type Schema = Readonly<Record<string, unknown>>;

export function configSchema(commands: Commands): Schema {
  const { shared, byCommand } = settingTables(commands);
  const sections = [...byCommand].map(([command, table]) => [
    command,
    { ...objectOf([...table]), description: `Options of \`nacue ${command}\`; they go before those at the top.` },
  ]);
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: configFileName,
    description: 'Options of the command nacue, where neither the command line nor the environment sets them.',
    ...objectOf([...shared], { $schema: { type: 'string' }, ...Object.fromEntries(sections) }),
  };
}

function objectOf(options: readonly [string, Option][], others: Schema = {}): Schema {
  const properties = Object.fromEntries(options.map(([name, option]) => [name, schemaOf(option)]));
  return { type: 'object', additionalProperties: false, properties: { ...others, ...properties } };
}

function schemaOf(option: Option): Schema {
  const standard = 'default' in option ? { default: option.default } : {};
  return { description: meaningOf(option), ...valueSchema(option), ...standard };
}

function valueSchema(option: Option): Schema {
  switch (option.kind) {
    case 'flag':
      return { type: 'boolean' };
    case 'text':
    case 'path':
      return { type: 'string', minLength: 1 };
    case 'choice':
      return { enum: option.choices };
    case 'list': {
      const item = scalarSchema(option);
      return { anyOf: [item, { type: 'array', items: item, minItems: 1 }] };
    }
    default: {
      const number = scalarSchema({ ...option, of: option.kind });
      const words = option.kind === 'integer' ? (option.words ?? []) : [];
      return words.length > 0 ? { anyOf: [number, { enum: words }] } : number;
    }
  }
}

function scalarSchema({ of, min, max, aboveMin }: Pick<List, 'of' | 'min' | 'max' | 'aboveMin'>): Schema {
  if (of === 'text') return { type: 'string', minLength: 1 };
  return {
    type: of,
    ...(min !== undefined && { [aboveMin ? 'exclusiveMinimum' : 'minimum']: min }),
    ...(max !== undefined && { maximum: max }),
  };
}
