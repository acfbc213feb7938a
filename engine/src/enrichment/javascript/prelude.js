// What a script finds beside ECMAScript: the event, and strings as Rhino 1.7R4 hands them out.
//
// A text that comes out of a Java object is an object in Rhino: typeof says "object", == compares its text, === is false
// against a string, and Java's methods stand before those of JavaScript. get, setText, setNumber and clear are the engine's;
// kinds has one letter for each column: T text, I 32-bit integer, B byte, F 32-bit float.
(function (get, setText, setNumber, clear, names, kinds) {
  'use strict';
  var StringProto = String.prototype, slice = StringProto.slice, split = StringProto.split;
  var string = String, number = Number, regexp = RegExp;
  var ownNames = Object.getOwnPropertyNames, everything = globalThis, trunc = Math.trunc;

  function wellFormed(text) {
    return text.isWellFormed() ? text : text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '?');
  }
  function wrap(text) { return new JavaString(text); }
  function textOf(value) { return value === null || value === undefined ? 'null' : string(value); }
  function range(index, length) {
    if (index < 0 || index > length) {
      throw new RangeError('java.lang.StringIndexOutOfBoundsException: String index out of range: ' + index);
    }
  }
  // java.util.regex and ECMAScript agree on what scripts use; the inline flags at the start are translated
  function pattern(java, whole, flags) {
    var text = textOf(java), inline = /^\(\?([imsu]+)\)/.exec(text);
    if (inline) {
      text = slice.call(text, inline[0].length);
      flags += inline[1];
    }
    return new regexp(whole ? '^(?:' + text + ')$' : text, flags);
  }
  function codeOrText(value) { return typeof value === 'number' ? string.fromCodePoint(value) : textOf(value); }

  class JavaString {
    #text;
    constructor(text) { this.#text = text; }
    toString() { return this.#text; }
    valueOf() { return this.#text; }
    toJSON() { return this.#text; }
    [Symbol.toPrimitive]() { return this.#text; }
    length() { return this.#text.length; }
    isEmpty() { return this.#text === ''; }
    equals(other) { return (typeof other === 'string' || other instanceof JavaString) && this.#text === string(other); }
    equalsIgnoreCase(other) {
      return other !== null && other !== undefined && this.#text.toUpperCase().toLowerCase() === string(other).toUpperCase().toLowerCase();
    }
    contentEquals(other) { return this.#text === textOf(other); }
    compareTo(other) {
      var a = this.#text, b = textOf(other), least = Math.min(a.length, b.length);
      for (var i = 0; i < least; i++) {
        if (a.charCodeAt(i) !== b.charCodeAt(i)) return a.charCodeAt(i) - b.charCodeAt(i);
      }
      return a.length - b.length;
    }
    compareToIgnoreCase(other) { return wrap(this.#text.toUpperCase().toLowerCase()).compareTo(textOf(other).toUpperCase().toLowerCase()); }
    hashCode() {
      for (var hash = 0, i = 0; i < this.#text.length; i++) hash = (Math.imul(31, hash) + this.#text.charCodeAt(i)) | 0;
      return hash;
    }
    contains(other) { return this.#text.includes(textOf(other)); }
    startsWith(other, from) { return this.#text.startsWith(textOf(other), from); }
    endsWith(other) { return this.#text.endsWith(textOf(other)); }
    indexOf(other, from) { return this.#text.indexOf(codeOrText(other), from); }
    lastIndexOf(other, from) { return this.#text.lastIndexOf(codeOrText(other), from); }
    // a Java char is a number to Rhino
    charAt(index) { range(index, this.#text.length - 1); return this.#text.charCodeAt(index); }
    codePointAt(index) { range(index, this.#text.length - 1); return this.#text.codePointAt(index); }
    substring(from, to) {
      var end = to === undefined ? this.#text.length : trunc(to), start = trunc(from);
      range(end, this.#text.length);
      range(start, end);
      return wrap(this.#text.substring(start, end));
    }
    subSequence(from, to) { return this.substring(from, to); }
    concat(other) { return wrap(this.#text + textOf(other)); }
    trim() { return wrap(this.#text.replace(/^[\u0000- ]+|[\u0000- ]+$/g, '')); }
    intern() { return this; }
    toLowerCase() { return wrap(this.#text.toLowerCase()); }
    toUpperCase() { return wrap(this.#text.toUpperCase()); }
    toCharArray() { return Array.from(this.#text.split(''), function (c) { return c.charCodeAt(0); }); }
    matches(java) { return pattern(java, true, '').test(this.#text); }
    replace(what, by) {
      if (what instanceof regexp) return wrap(this.#text.replace(what, by));
      return wrap(this.#text.split(codeOrText(what)).join(codeOrText(by)));
    }
    replaceAll(java, by) { return wrap(this.#text.replace(pattern(java, false, 'g'), textOf(by))); }
    replaceFirst(java, by) { return wrap(this.#text.replace(pattern(java, false, ''), textOf(by))); }
    split(java, limit) {
      if (java instanceof regexp) return split.call(this.#text, java, limit);
      if (this.#text === '') return [wrap('')];
      var parts = [], at = 0, re = pattern(java, false, 'g'), found;
      while ((found = re.exec(this.#text)) !== null) {
        if (limit > 0 && parts.length === limit - 1) break;
        if (found[0] === '') {
          if (found.index >= this.#text.length) break;
          re.lastIndex++;
          if (found.index === 0) continue;
        } else if (found.index === 0 && found[0].length === 0) {
          continue;
        }
        parts.push(wrap(this.#text.slice(at, found.index)));
        at = found.index + found[0].length;
      }
      parts.push(wrap(this.#text.slice(at)));
      if (limit === undefined || trunc(limit) === 0) {
        while (parts.length > 1 && parts[parts.length - 1].isEmpty()) parts.pop();
      }
      return parts;
    }
  }
  Object.setPrototypeOf(JavaString.prototype, StringProto);
  delete JavaString.prototype.constructor;

  function read(index) {
    var value = get(index);
    return typeof value === 'string' ? new JavaString(value) : value;
  }
  function cannot(value, type) {
    return new TypeError('Cannot convert ' + string(value) + ' to ' + type);
  }
  function write(index, kind, value) {
    if (value === null) {
      clear(index);
    } else if (kind === 'T') {
      setText(index, wellFormed(value === undefined ? 'undefined' : string(value)));
    } else {
      var type = kind === 'I' ? 'java.lang.Integer' : kind === 'B' ? 'java.lang.Byte' : 'java.lang.Float';
      var wanted = value === undefined || typeof value === 'boolean' ? NaN : number(value);
      if (kind !== 'F') {
        var least = kind === 'I' ? -2147483648 : -128;
        wanted = trunc(wanted);
        if (!(wanted >= least && wanted < -least)) throw cannot(value, type);
      } else if (wanted !== wanted) {
        throw cannot(value, type);
      }
      setNumber(index, wanted);
    }
  }

  // These go through a length without a look at the clock: a few numbers can make them run for hours, where an array that
  // fits into the memory is never so long.
  var most = 1 << 24, apply = Reflect.apply;
  function check(value) {
    if (typeof value === 'object' && value !== null && value.length > most) {
      throw new RangeError('the length ' + value.length + ' is more than ' + most);
    }
  }
  ['concat', 'copyWithin', 'flat', 'flatMap', 'join', 'reverse', 'shift', 'slice', 'sort', 'splice', 'toLocaleString', 'unshift'].forEach(function (name) {
    var native = Array.prototype[name];
    var checked = { [name](...values) {
      check(this);
      if (name === 'concat') values.forEach(check);
      else if (name === 'flat') for (var i = 0; i < this.length; i++) check(this[i]);
      return apply(native, this, values);
    } }[name];
    Object.defineProperty(checked, 'length', { value: native.length });
    Object.defineProperty(Array.prototype, name, { value: checked, enumerable: false });
  });

  var proto = Object.create(Object.prototype);
  function method(name, body) {
    Object.defineProperty(proto, name, { value: Object.freeze(body), enumerable: false });
  }
  names.forEach(function (name, index) {
    var kind = kinds[index], bean = name[0].toUpperCase() + slice.call(name, 1);
    var reads = function () { return read(index); };
    var writes = function (value) { write(index, kind, value); };
    method('get' + bean, reads);
    method('set' + bean, writes);
    method(name, reads);
    method(name + '_$eq', writes);
  });
  Object.freeze(proto);

  return {
    event: function () { return Object.create(proto); },
    globals: function () { return ownNames(everything).length; },
    // Takes the ways to what all objects share, so that a script that names none of them leaves nothing behind.
    contain: function () {
      var seen = new Set(), todo = [everything, JavaString.prototype];
      while (todo.length > 0) {
        var object = todo.pop();
        if (seen.has(object)) continue;
        seen.add(object);
        Reflect.ownKeys(object).forEach(function (key) {
          var property = Reflect.getOwnPropertyDescriptor(object, key);
          [property.value, property.get, property.set].forEach(function (value) {
            if (value !== null && (typeof value === 'object' || typeof value === 'function')) todo.push(value);
          });
        });
        var parent = Reflect.getPrototypeOf(object);
        if (parent !== null) todo.push(parent);
      }
      seen.forEach(function (object) {
        if (object === everything) return;
        if (Object.hasOwn(object, 'constructor')) Reflect.deleteProperty(object, 'constructor');
        if (object === Object.prototype) Reflect.deleteProperty(object, '__proto__');
        Reflect.preventExtensions(object);
      });
    },
  };
})
