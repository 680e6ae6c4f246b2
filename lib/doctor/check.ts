import type { Check } from './diagnosis.js';

type Topic = Check['topic'];

export function ok(topic: Topic, name: string, value: string): Check {
  return { topic, name, status: 'ok', value, fix: null };
}

export function warning(topic: Topic, name: string, value: string, fix: string): Check {
  return { topic, name, status: 'warning', value, fix };
}

export function problem(topic: Topic, name: string, value: string, fix: string): Check {
  return { topic, name, status: 'problem', value, fix };
}
