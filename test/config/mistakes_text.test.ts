// SPDX-License-Identifier: Apache-2.0
// Mistakes in a configuration: the text itself, keys and types.
import { SOUND } from "./config_text.ts";
import { edit, testMistakes } from "./mistake.ts";

testMistakes([
  // The text
  { title: "an empty file", text: "", at: "1:1", says: /expected a map .* got an empty file/ },
  { title: "a list instead of a map", text: "- a\n", at: "1:1", says: /expected a map of keys/ },
  {
    title: "a tab as indentation",
    text: "listeners:\n\tweb: 1\n",
    at: "2:1",
    says: /tab used for indentation/,
  },
  { title: "an unclosed quote", text: 'workers: "4\n', at: "2:1", says: /missing closing "quote/i },
  { title: "an unclosed list", text: `${SOUND}admin: {address: [\n`, at: "14:1", says: /flow/i },
  { title: "a second document", text: `${SOUND}---\na: 1\n`, at: "13:1", says: /second document/ },
  {
    title: "a duplicate key",
    text: edit("    protocol: http\n", "    protocol: http\n    protocol: http\n"),
    at: "5:5",
    says: /duplicate key "protocol"/,
  },
  { title: "an unknown anchor", text: edit("127.0.0.1:0", "*adress"), at: "3:14", says: /no anchor &adress/ },
  {
    title: "a misspelt anchor",
    text: edit(
      "    address: 127.0.0.1:0\n    protocol: http",
      "    address: &address 127.0.0.1:0\n    protocol: *adress",
    ),
    at: "4:15",
    says: /no anchor &adress/,
    suggests: "*address",
  },
  {
    title: "an alias to what it is inside of",
    text: "admin: &a\n  x: *a\n",
    at: "2:6",
    says: /no anchor &a before/,
  },
  { title: "a tag", text: edit("127.0.0.1:0", "!ip 127.0.0.1:0"), at: "3:14", says: /tags/ },
  // Keys and types
  {
    title: "an unknown section",
    text: `${SOUND}listners: {}\n`,
    at: "13:1",
    says: /unknown key "listners"/,
    suggests: "listeners",
  },
  {
    title: "an unknown key in a listener",
    text: edit("    address:", "    adress: x\n    address:"),
    at: "3:5",
    says: /unknown key "adress"/,
    suggests: "address",
  },
  {
    title: "a key of a later version",
    text: `${SOUND}    circuitBreaker: {}\n`,
    at: "13:5",
    says: /"circuitBreaker" is not supported yet/,
  },
  {
    title: "a word of a later version",
    text: `${SOUND}    loadBalancer: {type: ConsistentHash}\n`,
    at: "13:26",
    says: /ConsistentHash is not supported yet/,
  },
  {
    title: "a missing key",
    text: edit("    address: 127.0.0.1:0\n", ""),
    at: "2:3",
    says: /missing key "address"/,
  },
  {
    title: "a missing section",
    text: "listeners:\n  web: {address: ':0', protocol: http}\n",
    at: "1:1",
    says: /missing key "routes"/,
  },
  {
    title: "a list where a map belongs",
    text: edit("upstreams:\n  app:", "upstreams:\n  - app:"),
    at: "10:3",
    says: /expected a map of keys, got a list/,
  },
  {
    title: "a map where a list belongs",
    text: edit("  - name: all\n    backendRefs:\n      - name: app\n", "  name: all\n"),
    at: "6:3",
    says: /expected a list of routes.* got a map/,
  },
  {
    title: "a misspelt enumeration",
    text: edit("protocol: http", "protocol: htps"),
    at: "4:15",
    says: /expected https, http, tls or tcp, got "htps"/,
    suggests: "https",
  },
  {
    title: "a word for a number",
    text: `${SOUND}workers: many\n`,
    at: "13:10",
    says: /expected auto or a whole number from 1 to 256, got "many"/,
  },
  {
    title: "a number out of range",
    text: `${SOUND}workers: 0\n`,
    at: "13:10",
    says: /expected auto or a whole number/,
  },
  {
    title: "yes for true",
    text: `${SOUND}accessLog: {enabled: yes}\n`,
    at: "13:22",
    says: /expected true or false/,
    suggests: "true",
  },
  {
    title: "a number for a text",
    text: edit("name: all", "name: 8080"),
    at: "6:11",
    says: /got 8080/,
    suggests: '"8080"',
  },
  { title: "a bad name", text: SOUND.replaceAll("app", "-app"), at: "10:3", says: /bad name "-app"/ },
  // The environment
  {
    title: "a variable that is not set",
    text: edit("127.0.0.1:0", "${ADDRES}"),
    at: "3:14",
    says: /environment variable ADDRES is not set/,
    suggests: "${ADDRESS}",
    env: { ADDRESS: "127.0.0.1:0" },
  },
  {
    title: "a broken reference to a variable",
    text: edit("127.0.0.1:0", "${ADDRESS"),
    at: "3:14",
    says: /malformed/,
  },
]);
