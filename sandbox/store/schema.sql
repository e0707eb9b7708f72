CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- Every ARM resource of every kind. `key` is the id in lower case: ids are compared without case.
CREATE TABLE resources (
    key TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,            -- lower-case ARM type
    parent TEXT NOT NULL,          -- key of the enclosing resource or scope
    name TEXT NOT NULL,
    body TEXT NOT NULL,            -- JSON, as the caller sent it with defaults filled in
    state TEXT NOT NULL,           -- provisioning state
    etag TEXT NOT NULL,
    generation INTEGER NOT NULL,   -- counts accepted writes; slow work must not overwrite a later one
    created TEXT NOT NULL,
    modified TEXT NOT NULL,
    author TEXT NOT NULL,          -- object id of the caller who created it
    resting INTEGER NOT NULL DEFAULT 0  -- nothing of it runs or is still to run, such as a job that is over
) WITHOUT ROWID;
CREATE INDEX resources_by_parent ON resources (parent, kind);
CREATE INDEX resources_by_kind ON resources (kind);
CREATE INDEX resources_by_age ON resources (parent, kind, created);
CREATE INDEX resources_awake ON resources (kind) WHERE resting = 0;

-- What must stay as long as somebody needs it: a row for each thing that a resource which does not rest refers to.
CREATE TABLE uses (
    target TEXT NOT NULL,          -- how it is referred to, in lower case
    user TEXT NOT NULL,            -- key of the resource that needs it
    PRIMARY KEY (target, user)
) WITHOUT ROWID;
CREATE INDEX uses_by_user ON uses (user);

-- Names that are taken Azure-wide (or in one region), live or soft-deleted.
CREATE TABLE names (scope TEXT NOT NULL, name TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (scope, name)) WITHOUT ROWID;
CREATE INDEX names_by_key ON names (key);

-- Soft-deleted resources with everything that was under them.
CREATE TABLE deleted (
    key TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    location TEXT NOT NULL,
    name TEXT NOT NULL,
    deleted TEXT NOT NULL,
    rows TEXT NOT NULL             -- JSON list of resource rows, the deleted one first
) WITHOUT ROWID;

-- Long-running operations: they outlive the process that began them.
CREATE TABLE operations (
    id TEXT PRIMARY KEY,
    key TEXT NOT NULL,             -- the resource
    verb TEXT NOT NULL,            -- create, update, delete or an action's name
    generation INTEGER NOT NULL,
    state TEXT NOT NULL,           -- InProgress, Succeeded, Failed
    error TEXT,                    -- JSON error body when Failed
    result TEXT,                   -- JSON answer of an action
    scope TEXT NOT NULL,           -- where it is polled: /subscriptions/S/providers/NAMESPACE
    location TEXT NOT NULL,
    polls INTEGER NOT NULL DEFAULT 0,
    pace TEXT NOT NULL,            -- now, polls:N or seconds:N
    started TEXT NOT NULL,
    ended TEXT
) WITHOUT ROWID;
CREATE INDEX operations_open ON operations (state) WHERE state = 'InProgress';
CREATE INDEX operations_by_key ON operations (key);
CREATE INDEX operations_by_end ON operations (ended) WHERE ended IS NOT NULL;

CREATE TABLE principals (
    object_id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    secret_hash TEXT,              -- none: it cannot sign in with a secret
    resource TEXT NOT NULL         -- key of the resource whose identity it is, '' for the sandbox's caller
) WITHOUT ROWID;

-- Whom somebody at this machine may become, beside the sandbox's own caller.
CREATE TABLE identities (
    name TEXT PRIMARY KEY COLLATE NOCASE,
    kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    issuer TEXT NOT NULL,          -- whose tokens it signs in with, '' for one with a secret
    subject TEXT NOT NULL,
    resource TEXT NOT NULL         -- id of the user-assigned identity that was made along, '' for any other
) WITHOUT ROWID;

-- Role assignments as the access check reads them.
CREATE TABLE grants (key TEXT PRIMARY KEY, scope TEXT NOT NULL, principal TEXT NOT NULL, role TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX grants_by_principal ON grants (principal);

CREATE TABLE activity (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL, caller TEXT NOT NULL, action TEXT NOT NULL, key TEXT NOT NULL,
    status INTEGER NOT NULL, correlation TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT '',   -- Accepted, Succeeded or Failed
    called TEXT NOT NULL DEFAULT '',  -- the caller's name then: it may be gone when the log is read
    said TEXT NOT NULL DEFAULT '{}'   -- JSON: resource, method, request, client, error
);
CREATE INDEX activity_by_key ON activity (key, caller);

CREATE TABLE faults (
    id INTEGER PRIMARY KEY,
    match TEXT NOT NULL,           -- JSON: method, host, path expressions
    script TEXT NOT NULL,          -- JSON list of what happens at the 1st, 2nd ... match
    fired INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE containers (
    account TEXT NOT NULL, name TEXT NOT NULL, etag TEXT NOT NULL, modified TEXT NOT NULL,
    metadata TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (account, name)
) WITHOUT ROWID;
-- With a rowid: bodies stay out of the index, so that a listing reads names only.
CREATE TABLE blobs (
    account TEXT NOT NULL, container TEXT NOT NULL, name TEXT NOT NULL,
    size INTEGER NOT NULL,
    file TEXT,                     -- name of the file that holds the content when it is large; copies share it
    headers TEXT NOT NULL,         -- JSON: what a read answers: content-type, content-md5, x-ms-meta-... and so on
    etag TEXT NOT NULL, created TEXT NOT NULL, modified TEXT NOT NULL,
    blocks TEXT NOT NULL,          -- JSON list of [id, size] that it was committed from
    body BLOB,                     -- the content when it is small
    PRIMARY KEY (account, container, name)
);
CREATE INDEX blobs_by_file ON blobs (file) WHERE file IS NOT NULL;
-- Blocks that are staged and not yet committed.
CREATE TABLE blocks (
    account TEXT NOT NULL, container TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL,
    size INTEGER NOT NULL, file TEXT, body BLOB,
    PRIMARY KEY (account, container, name, id)
);
CREATE INDEX blocks_by_file ON blocks (file) WHERE file IS NOT NULL;
-- Files that a row let go of; they are removed after the commit, unless another row holds them.
CREATE TABLE trash (file TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TRIGGER blob_deleted AFTER DELETE ON blobs WHEN old.file IS NOT NULL
BEGIN INSERT OR IGNORE INTO trash VALUES (old.file); END;
CREATE TRIGGER blob_changed AFTER UPDATE OF file ON blobs WHEN old.file IS NOT NULL AND old.file IS NOT new.file
BEGIN INSERT OR IGNORE INTO trash VALUES (old.file); END;
CREATE TRIGGER block_deleted AFTER DELETE ON blocks WHEN old.file IS NOT NULL
BEGIN INSERT OR IGNORE INTO trash VALUES (old.file); END;
CREATE TRIGGER block_changed AFTER UPDATE OF file ON blocks WHEN old.file IS NOT NULL AND old.file IS NOT new.file
BEGIN INSERT OR IGNORE INTO trash VALUES (old.file); END;
