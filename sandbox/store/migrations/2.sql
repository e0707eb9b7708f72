-- From version 1: who needs what is looked up, lists are read a page at a time, the activity log says more, and others
-- than the sandbox's caller can sign in.
ALTER TABLE resources ADD COLUMN resting INTEGER NOT NULL DEFAULT 0;
UPDATE resources SET resting = 1
WHERE kind = 'microsoft.machinelearningservices/workspaces/jobs'
AND json_extract(body, '$.properties.status') IN ('Completed', 'Failed', 'Canceled');
CREATE INDEX resources_by_age ON resources (parent, kind, created);
CREATE INDEX resources_awake ON resources (kind) WHERE resting = 0;
CREATE TABLE uses (target TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (target, user)) WITHOUT ROWID;
INSERT OR IGNORE INTO uses
SELECT CASE WHEN lower(text.value) LIKE 'azureml:/sub%' THEN substr(lower(text.value), 9) ELSE lower(text.value) END,
    resources.key
FROM resources, json_tree(resources.body) AS text
WHERE resources.resting = 0
AND resources.kind IN (
    'microsoft.machinelearningservices/workspaces/onlineendpoints/deployments',
    'microsoft.machinelearningservices/workspaces/schedules',
    'microsoft.machinelearningservices/workspaces/jobs'
)
AND text.type = 'text' AND lower(text.value) LIKE '%/versions/%';
CREATE INDEX uses_by_user ON uses (user);
CREATE INDEX operations_by_end ON operations (ended) WHERE ended IS NOT NULL;
CREATE INDEX activity_by_key ON activity (key, caller);
ALTER TABLE activity ADD COLUMN state TEXT NOT NULL DEFAULT '';
ALTER TABLE activity ADD COLUMN called TEXT NOT NULL DEFAULT '';
ALTER TABLE activity ADD COLUMN said TEXT NOT NULL DEFAULT '{}';
UPDATE activity SET called = caller, state = iif(status < 400, 'Succeeded', 'Failed');
CREATE TABLE identities (
    name TEXT PRIMARY KEY COLLATE NOCASE,
    kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    resource TEXT NOT NULL
) WITHOUT ROWID;
