"use strict";

// The operations with which the page opens, a tab each; `now` fills in the times of a new videoconference.
function examples(now) {
  const inMinutes = (minutes) => new Date(Math.ceil(now.getTime() / 60000 + minutes) * 60000).toISOString();
  const tabs = [
    {
      query: `# Who asks, with the rights they have now.
query Viewer {
  viewer {
    participant { id fullName }
    organization {
      id
      name
      timeZone
      chatAdministrator { fullName }
    }
    metaRole
    permissions
    accountLink {
      status
      linkedAt
      profile { displayName }
    }
    sferumUrl
  }
}
`,
    },
    {
      query: `# The registry of chats. A Superadministrator adds organizationId.
query Chats($first: Int, $offset: Int) {
  chats(first: $first, offset: $offset) {
    totalCount
    edges {
      node {
        id
        name
        type
        memberCount
        schoolClass { name }
        administrator { fullName }
        viewerCan
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
`,
      variables: { first: 24, offset: 0 },
    },
    {
      query: `# Take the chat's id from the tab Chats.
query ChatMembers($id: ID!, $capacity: Capacity) {
  chat(id: $id) {
    name
    members(first: 50, filter: { capacity: $capacity }) {
      totalCount
      edges {
        node {
          participant { fullName blocked }
          role
          capacities
          grounds {
            kind
            capacity
            since
            pupil { fullName }
          }
        }
      }
    }
  }
}
`,
      variables: { id: "", capacity: null },
    },
    {
      query: `# The registry of videoconferences, the latest start first.
query Videoconferences {
  videoconferences(first: 24) {
    totalCount
    edges {
      node {
        id
        name
        type
        chatName
        startsAt
        endsAt
        status
        startProblem
        failure
        link
        viewerCan
      }
    }
  }
}
`,
    },
    {
      query: `# Take the chat's id from the tab Chats.
mutation CreateVideoconference($input: CreateVideoconferenceInput!) {
  createVideoconference(input: $input) {
    ... on VideoconferenceSaved {
      videoconference {
        id
        name
        startsAt
        endsAt
        status
      }
    }
    ... on Refusal {
      problems {
        code
        message
        path
      }
    }
  }
}
`,
      variables: {
        input: {
          type: "VIDEO_CALL",
          chatId: "",
          name: "Классный час",
          startsAt: inMinutes(2),
          endsAt: inMinutes(32),
          idempotencyKey: crypto.randomUUID?.() ?? String(now.getTime()),
        },
      },
    },
    {
      query: `# The present state first, then every change.
# Take the id from the tab Videoconferences.
subscription Videoconference($id: ID!) {
  videoconference(id: $id) {
    version
    status
    activeSince
    link
    startProblem
    finishedAt
    finishedBy
  }
}
`,
      variables: { id: "" },
    },
    {
      query: `# Open the url in this browser; it works once.
mutation BeginAccountLink($returnTo: String) {
  beginAccountLink(returnTo: $returnTo) {
    ... on AuthorizationRequest {
      url
      expiresAt
    }
    ... on Refusal {
      problems {
        code
        message
        path
      }
    }
  }
}
`,
      variables: { returnTo: null },
    },
  ];
  return tabs.map((tab) => ({ query: tab.query, variables: JSON.stringify(tab.variables ?? {}, null, 2) }));
}
