"use strict";

// The token lives as long as the browser's tab: GraphiQL's own store, which outlives it, never sees it.
const TOKEN = "sferum-token";
// The socket's token is refused: another attempt with the same one is in vain.
const TOKEN_REFUSED = 4403;

const tokenInput = document.getElementById("token");
const tokenState = document.getElementById("token-state");
const address = new URL("/graphql", location.href);
const socketAddress = new URL(address);
socketAddress.protocol = address.protocol === "https:" ? "wss:" : "ws:";

let sockets = null;

function readToken() {
  return (sessionStorage.getItem(TOKEN) ?? "").replace(/^Bearer\s+/i, "").trim();
}

function fetcherFor(token) {
  sockets?.dispose();
  sockets = graphqlWs.createClient({
    url: socketAddress.href,
    connectionParams: token ? { authorization: `Bearer ${token}` } : {},
    shouldRetry: (event) => event?.code !== undefined && event.code !== TOKEN_REFUSED,
  });
  const headers = { Accept: "application/graphql-response+json, application/json;q=0.9" };
  if (token) {
    headers.Authorization = `Bearer ${token}`;
  }
  return GraphiQL.createFetcher({ url: address.href, headers, wsClient: sockets, enableIncrementalDelivery: false });
}

const root = ReactDOM.createRoot(document.getElementById("graphiql"));

function render() {
  const token = readToken();
  tokenState.textContent = token ? "Token in use" : "No token";
  root.render(
    React.createElement(GraphiQL, {
      fetcher: fetcherFor(token),
      defaultTabs: examples(new Date()),
      defaultEditorToolsVisibility: "variables",
      shouldPersistHeaders: false,
      showPersistHeadersSettings: false,
    }),
  );
}

tokenInput.value = readToken();
document.getElementById("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN, tokenInput.value);
  render();
});

render();
