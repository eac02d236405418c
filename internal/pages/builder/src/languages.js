// How bodies are written: JSON, XML and forms, with {{variables}} anywhere in them. The grammars of CodeMirror's own language
// packages know no variables, and would be a quarter of what a browser loads.
import { StreamLanguage } from '@codemirror/language';

const variable = /^\{\{[^{}]*\}\}/;

const json = StreamLanguage.define({
  startState: () => ({ text: false, name: false }),
  token(stream, state) {
    if (stream.eatSpace()) return null;
    if (stream.match(variable)) return null;
    if (stream.match('//')) {
      stream.skipToEnd();
      return 'comment';
    }
    if (stream.match(/^"(?:[^"\\]|\\.)*"?/)) return stream.match(/^\s*:/, false) ? 'propertyName' : 'string';
    if (stream.match(/^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/)) return 'number';
    if (stream.match(/^(?:true|false|null)\b/)) return 'bool';
    stream.next();
    return null;
  },
});

const xml = StreamLanguage.define({
  startState: () => ({ in: '' }),
  token(stream, state) {
    if (stream.match(variable)) return null;
    if (state.in === 'comment') {
      if (stream.match(/^.*?-->/)) state.in = '';
      else stream.skipToEnd();
      return 'comment';
    }
    if (state.in === 'tag') {
      if (stream.eatSpace()) return null;
      if (stream.match(/^[?/]?>/)) {
        state.in = '';
        return 'tagName';
      }
      if (stream.match(/^"[^"]*"|^'[^']*'/)) return 'string';
      if (stream.match(/^[^\s=/>"']+/)) return 'propertyName';
      stream.next();
      return null;
    }
    if (stream.match('<!--')) {
      state.in = 'comment';
      return 'comment';
    }
    if (stream.match('<![CDATA[') || stream.match(']]>')) return 'keyword';
    if (stream.match(/^<[?/]?[^\s/>]*/)) {
      state.in = 'tag';
      return 'tagName';
    }
    stream.next();
    stream.eatWhile(/[^<{]/);
    return null;
  },
});

const form = StreamLanguage.define({
  startState: () => ({ value: false }),
  token(stream, state) {
    if (stream.match(variable)) return null;
    const c = stream.next();
    if (c === '&') {
      state.value = false;
      return 'keyword';
    }
    if (c === '=' && !state.value) {
      state.value = true;
      return 'keyword';
    }
    return state.value ? 'string' : 'propertyName';
  },
});

/** languages are the extensions of each. */
export const languages = { json, xml, form, text: [] };
