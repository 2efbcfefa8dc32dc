// What the official Node client makes of us. Prints one JSON object: the name of each part and what
// came of it, or the class of what it raised.
import OpenAI from "openai";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const stranger = new OpenAI({ baseURL, apiKey: "lk-nobody", maxRetries: 0 });
const messages = [{ role: "user", content: "hello there" }];
const tools = [{ type: "function", function: { name: "weather", parameters: {} } }];

const ask = (model, more = {}) => client.chat.completions.create({ model, messages, ...more });

async function read(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const textOf = (chunks) => chunks.map((each) => each.choices[0]?.delta?.content ?? "").join("");

const parts = {
  models: async () => (await client.models.retrieve("openai/echo")).id,
  whole: async () => (await ask("openai/echo")).choices[0].message.content,
  streamed: async () => textOf(await read(await ask("openai/echo", { stream: true }))),
  usage: async () => {
    const asked = { stream: true, stream_options: { include_usage: true } };
    return (await read(await ask("openai/echo", asked))).at(-1).usage.total_tokens;
  },
  tools: async () => {
    const stream = client.chat.completions.stream({ model: "openai/tools", messages, tools });
    return (await stream.finalChatCompletion()).choices[0].message.tool_calls[0].function;
  },
  embeddings: async () => {
    const done = await client.embeddings.create({ model: "openai/echo", input: "hello there" });
    return done.data[0].embedding;
  },
  abort: async () => {
    const stream = await ask("openai/slow", { stream: true });
    for await (const _ of stream) {
      stream.controller.abort();
      break;
    }
    return stream.controller.signal.aborted;
  },
  authentication: () => stranger.models.list(),
  notFound: () => ask("openai/nothing"),
  badRequest: () => client.chat.completions.create({ model: "openai/echo", messages: [] }),
  rateLimit: () => ask("openai/status-429"),
  broken: async () => read(await ask("openai/break", { stream: true })),
};

const found = {};
for (const [name, part] of Object.entries(parts)) {
  try {
    found[name] = await part();
  } catch (fault) {
    found[name] = { raised: fault.constructor.name, status: fault.status ?? null };
  }
}
console.log(JSON.stringify(found));
