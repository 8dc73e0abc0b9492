// An agent behind a URL, in the protocol of docs/agents.md: `taketwo replay … --agent http://127.0.0.1:8800/`.
import { createServer } from "node:http";

type Message = { role: string; content: string; tool_call_id?: string };

function answer(messages: Message[]): object {
  const last = messages[messages.length - 1];
  if (last.role === "tool") return { content: `A-1 is ${last.content}.` };
  if (last.content.includes("A-1")) {
    const call = { name: "check_status", arguments: JSON.stringify({ order_id: "A-1" }) };
    return { content: null, tool_calls: [{ id: "c1", type: "function", function: call }] };
  }
  return { content: "Which order is it?" };
}

const server = createServer(async (request, response) => {
  let body = "";
  for await (const piece of request) body += piece;
  response.end(JSON.stringify(answer(JSON.parse(body).messages)));
});
server.listen(Number(process.argv[2]), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${(server.address() as { port: number }).port}/`);
});
